"""Malformed configs: refused when the model is built."""

import math
from functools import partial

import torch
from torch import nn

from mmdownsize.checkpoints import CheckpointError
from mmdownsize.registry import MODELS
from tests.bad_input.batches import RTMDetInsHead, held_with
from tests.bad_input.case import Accepted, Case

nan, inf = math.nan, math.inf
TYPES = {
    'det': 'mmdownsize.DetDownsizePreprocessor',
    'seg': 'mmdownsize.SegDownsizePreprocessor',
    'pair': 'mmdownsize.PairDownsizePreprocessor',
    'seg_pair': 'mmdownsize.SegPairDownsizePreprocessor',
}
NET, FIXED = dict(type='DownsizeNet'), dict(type='FixedResizer')


def build(task, settings, folder=None):
    """Build a preprocessor from a config in which these settings stand; None takes a default out."""
    defaults = dict(downsizer=FIXED, scale_factor=0.5)
    if 'scale' in settings:
        defaults.pop('scale_factor')
    settings = {key: value for key, value in {**defaults, **settings}.items() if value is not ABSENT}
    return MODELS.build(dict(type=TYPES[task], **settings))


ABSENT = object()


class Silent(nn.Module):
    """Takes an image only."""

    def forward(self, images):
        return images


def target(id, settings, value, way_out, error=ValueError):
    return [Case(f'{id} ({task})', partial(build, task, settings), error, value, way_out) for task in ('det', 'seg')]


def resizer(kind, error=ValueError, **settings):
    """A setting of a resizer: what its message says is (value, way out)."""

    def case(value, way_out):
        (name, given), *_ = settings.items()
        config = dict(downsizer=dict(type=kind, **settings))
        return Case(f'{kind} {name}={given!r}', partial(build, 'det', config), error, value, way_out)

    return case


def inherited(id, base, child, value, kind):
    """A child config that changes the type of the downsizer and inherits the settings of the other one."""
    way_out = rf'It is one of .*downsizer=dict\(_delete_=True, type={kind!r}'
    case = Case(
        f'{id} over {base["type"]}', partial(build, 'det', dict(downsizer={**base, **child})), TypeError, value, way_out
    )
    return [case]


def initialised(init_cfg):
    def use(folder):
        build('det', dict(downsizer=dict(NET, init_cfg=init_cfg))).init_weights()

    return use


NUMBER = r'must be a number or a pair \(w, h\)'
ABOVE = 'must be above 0 and finite'
KNOWN = 'DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer'
WHOLE = 'must be a whole number'
RANGE = r'must be \(lowest, highest\)'

CASES = [
    # The target
    *target('no target', dict(scale_factor=ABSENT), 'scale_factor=None and scale=None', 'give exactly one target'),
    *target('two targets', dict(scale_factor=0.5, scale=(3, 2)), 'scale=(3, 2)', 'one target.*scale_factor=None'),
    *inherited(
        'type=FixedResizer',
        dict(type='DownsizeNet', start='area'),
        dict(type='FixedResizer'),
        "'start'",
        'FixedResizer',
    ),
    *inherited('type=DownsizeNet', dict(FIXED, kernel='area'), NET, "'kernel'", 'DownsizeNet'),
    *inherited(
        'type=FixedResizer, without pretrained,', dict(NET, pretrained='x'), FIXED, "'pretrained'", 'FixedResizer'
    ),
    *target('scale_factor 0', dict(scale_factor=0), 'got 0', ABOVE),
    *target('scale_factor negative', dict(scale_factor=-0.5), 'got -0.5', ABOVE),
    *target('scale_factor NaN', dict(scale_factor=nan), 'got nan', ABOVE),
    *target('scale_factor infinite', dict(scale_factor=(0.5, inf)), 'got (0.5, inf)', ABOVE),
    *target('scale_factor a string', dict(scale_factor='0.5'), "got '0.5'", NUMBER),
    *target('scale_factor True', dict(scale_factor=True), 'got True', NUMBER),
    *target('scale_factor of three', dict(scale_factor=(1, 1, 1)), 'got (1, 1, 1)', NUMBER),
    *target('scale_factor of one', dict(scale_factor=(0.5,)), 'got (0.5,)', NUMBER),
    *target('scale_factor a tensor', dict(scale_factor=torch.tensor(0.5)), 'got tensor(0.5000)', NUMBER),
    *target('scale 0', dict(scale=(0, 20)), 'got (0, 20)', ABOVE),
    *target('scale NaN', dict(scale=nan), 'got nan', ABOVE),
    *target('scale a ratio', dict(scale=0.75), 'got 0.75', 'a ratio is given as scale_factor'),
    *target('scale a string', dict(scale='160x120'), "got '160x120'", NUMBER),
    *target('keep_ratio a string', dict(scale=20, keep_ratio='False'), "got 'False'", 'must be True or False'),
    *target('keep_ratio None', dict(scale=20, keep_ratio=None), 'got None', 'must be True or False'),
    *target(
        'a rule that is none', dict(fields=dict(gaze='pixels')), "fields.gaze 'pixels'", 'choose one of boxes, points'
    ),
    *target('no rule', dict(fields=dict(gaze=None)), 'fields.gaze None', 'choose one of boxes, points'),
    *target('a rule of another package', dict(fields=dict(x='mask')), "fields.x 'mask'", 'choose one of boxes, points'),
    *target('fields in a list', dict(fields=['gaze']), "got ['gaze']", r"a dict such as dict\(gaze='points'\)"),
    *target('train_scale_factor a number', dict(train_scale_factor=0.5), 'got 0.5', RANGE),
    *target('train_scale_factor backwards', dict(train_scale_factor=(0.6, 0.3)), 'got (0.6, 0.3)', RANGE),
    *target('train_scale_factor NaN', dict(train_scale_factor=(nan, 1)), 'got (nan, 1)', RANGE),
    *target('train_scale_factor strings', dict(train_scale_factor=('a', 'b')), "got ('a', 'b')", RANGE),
    *target('train_scale_factor infinite', dict(train_scale_factor=(0.5, inf)), 'got (0.5, inf)', RANGE),
    # A size where a target is meant. mmseg's own size is what it pads to.
    *[
        Case(f'size in place of scale ({task})', partial(build, task, dict(size=(90, 90), scale_factor=ABSENT)), *said)
        for task, said in {
            'det': (TypeError, "'size'", r'say scale=\(w, h\)'),
            'pair': (TypeError, "'size'", r'say scale=\(w, h\)'),
            'seg': (ValueError, 'size=(90, 90)', r'mmseg pads to.*say scale=\(w, h\)'),
        }.items()
    ],
    resizer('DownsizeNet', TypeError, size=(90, 90))("'size'", r'beside downsizer: scale=\(w, h\)'),
    # The downsizer
    *target('no downsizer', dict(downsizer=None), 'got None', KNOWN),
    *target('downsizer a name', dict(downsizer='DownsizeNet'), "got 'DownsizeNet'", KNOWN),
    *target('downsizer without type', dict(downsizer=dict(channels=8)), "got {'channels': 8}", KNOWN),
    *target('downsizer unknown', dict(downsizer=dict(type='DownsizeNett')), "'DownsizeNett'", KNOWN),
    *target('downsizer of type 3', dict(downsizer=dict(type=3)), 'downsizer 3', KNOWN),
    *target('downsizer of type None', dict(downsizer=dict(type=None)), 'downsizer None', KNOWN),
    *target('downsizer no module', dict(downsizer=dict(type=int)), 'int is none', KNOWN, TypeError),
    *target('downsizer a list', dict(downsizer=[NET]), "got [{'type': 'DownsizeNet'}]", KNOWN),
    *target('downsizer a detector', dict(downsizer=dict(type='mmdet.RetinaNet')), 'RetinaNet', 'missing', TypeError),
    *target(
        'downsizer an activation', dict(downsizer=dict(type='ReLU')), 'ReLU', r'module\(images, \(h, w\)\)', TypeError
    ),
    *target('downsizer of images alone', dict(downsizer=Silent()), 'Silent', r'module\(images, \(h, w\)\)', TypeError),
    # Misspelt settings
    *target('setting downsizr', dict(downsizr=NET), "'downsizr'", "did you mean 'downsizer'", TypeError),
    *target('setting scale_facter', dict(scale_facter=0.5), "'scale_facter'", "did you mean 'scale_factor'", TypeError),
    *target('setting keep_ration', dict(keep_ration=True), "'keep_ration'", "did you mean 'keep_ratio'", TypeError),
    *target(
        'setting of another world', dict(zzz=1), "'zzz'", 'it takes .*downsizer, scale_factor, .*mean, std', TypeError
    ),
    resizer('DownsizeNet', TypeError, neighbours=4)("'neighbours'", "did you mean 'neighbors'"),
    resizer('FixedResizer', TypeError, mode='area')("'mode'", 'it takes kernel, antialias'),
    resizer('ImportanceResizer', TypeError, dilatoin=2)("'dilatoin'", "did you mean 'dilation'"),
    resizer('MullerResizer', TypeError, layers=2)("'layers'", "did you mean 'num_layers'"),
    # DownsizeNet
    resizer('DownsizeNet', num_convs=0)('got 0', 'say texture=False'),
    resizer('DownsizeNet', num_convs=5)('got 5', '1 to 4'),
    resizer('DownsizeNet', num_convs='2')("got '2'", WHOLE),
    resizer('DownsizeNet', num_convs=2.5)('got 2.5', WHOLE),
    resizer('DownsizeNet', num_convs=True)('got True', WHOLE),
    resizer('DownsizeNet', channels=0)('got 0', 'at least 1'),
    resizer('DownsizeNet', channels=2.5)('got 2.5', WHOLE),
    resizer('DownsizeNet', channels='16')("got '16'", WHOLE),
    resizer('DownsizeNet', channels=None)('got None', WHOLE),
    resizer('DownsizeNet', in_channels=3.0)('got 3.0', WHOLE),
    resizer('DownsizeNet', neighbors=3)('got 3', "even number of at least 2, or 'auto'"),
    resizer('DownsizeNet', neighbors='2')("got '2'", "even number of at least 2, or 'auto'"),
    resizer('DownsizeNet', neighbors=4.0)('got 4.0', "even number of at least 2, or 'auto'"),
    resizer('DownsizeNet', neighbors='Auto')("got 'Auto'", "even number of at least 2, or 'auto'"),
    resizer('DownsizeNet', neighbors=(4, 4))('got (4, 4)', "even number of at least 2, or 'auto'"),
    resizer('DownsizeNet', distance='bilnear')("'bilnear'", 'choose one of offset, bilinear.* or None'),
    resizer('DownsizeNet', distance=['bilinear'])("['bilinear']", 'choose one of offset'),
    resizer('DownsizeNet', distance=None)("start='bilinear'", "say start='random'"),
    resizer('DownsizeNet', texture=False, distance=None)('texture=False and distance=None', 'switch one of them on'),
    resizer('DownsizeNet', texture='no')("got 'no'", 'must be True or False'),
    resizer('DownsizeNet', normalize='Softmax')("'Softmax'", 'choose one of softmax, sigmoid'),
    resizer('DownsizeNet', normalize=None)('normalize None', 'choose one of softmax, sigmoid'),
    resizer('DownsizeNet', start='cubic')("'cubic'", 'choose one of random, nearest'),
    resizer('DownsizeNet', start=['area'])("['area']", 'choose one of random, nearest'),
    resizer('DownsizeNet', start='bicubic')("start='bicubic'", "need normalize='signed' or 'none', got 'softmax'"),
    resizer('DownsizeNet', start='lanczos', normalize='sigmoid')("start='lanczos'", "got 'sigmoid'"),
    resizer('DownsizeNet', frozen='False')("got 'False'", 'must be True or False'),
    resizer('DownsizeNet', value_range=(255, 0))('got (255, 0)', RANGE),
    resizer('DownsizeNet', value_range=(0, inf))('got (0, inf)', 'two finite numbers'),
    resizer('DownsizeNet', value_range=255)('got 255', RANGE),
    resizer('DownsizeNet', value_range=('0', '1'))("got ('0', '1')", RANGE),
    resizer('DownsizeNet', value_range=(0, 1, 2))('got (0, 1, 2)', RANGE),
    resizer('DownsizeNet', backend='cuda')("'cuda'", 'choose one of auto, native'),
    resizer('DownsizeNet', pretrained=5)('got 5', 'a name or a path'),
    resizer('DownsizeNet', pretrained='')("got ''", 'a name or a path'),
    resizer('DownsizeNet', FileNotFoundError, pretrained='nowhere')("'nowhere'", 'those with the package are'),
    resizer('DownsizeNet', FileNotFoundError, pretrained='/')("'/'", 'it is a folder'),
    # The other resizers
    resizer('FixedResizer', kernel='cubic')(
        "'cubic'", 'choose one of nearest, bilinear, bicubic, area, sharp_area, lanczos, darkest, brightest'
    ),
    resizer('FixedResizer', kernel=3)('kernel 3', 'choose one of nearest'),
    resizer('FixedResizer', antialias='yes')("got 'yes'", 'must be True or False'),
    resizer('FixedResizer', kernel='area', antialias=True)("kernel='area'", 'leave it out'),
    resizer('FixedResizer', kernel='darkest', antialias=True)("kernel='darkest'", 'leave it out'),
    resizer('FixedResizer', softness=-1, kernel='darkest')('got -1', 'above 0, and finite'),
    resizer('FixedResizer', softness=3, kernel='area')('softness=3', 'leave it out'),
    resizer('ImportanceResizer', num_convs=4)('got 4', '1 to 3'),
    resizer('ImportanceResizer', channels='16')("got '16'", WHOLE),
    resizer('ImportanceResizer', dilation=2)('dilation=2', 'say num_convs=2 or 3'),
    resizer('ImportanceResizer', dilation=1.5, num_convs=2)('got 1.5', WHOLE),
    resizer('ImportanceResizer', kernel='sharp_area')("kernel='sharp_area'", 'choose one of nearest, bilinear'),
    resizer('ImportanceResizer', kernel='lanczos')("kernel='lanczos'", "say around='lanczos'"),
    resizer('ImportanceResizer', around='lanczos3')("'lanczos3'", 'choose one of nearest'),
    resizer('ImportanceResizer', around='area')("around='area'", 'leave it out'),
    resizer('ImportanceResizer', kernel=['area'])("['area']", 'choose one of nearest, bilinear'),
    resizer('ImportanceResizer', limit=nan)('got nan', 'above 0, and finite'),
    resizer('ImportanceResizer', limit=100)('got 100', 'at most 40'),
    resizer('ImportanceResizer', per_channel='no')("got 'no'", 'must be True or False'),
    resizer('ImportanceResizer', start='area')("'area'", 'choose one of darkest, brightest'),
    resizer('ImportanceResizer', strength='4')("got '4'", 'a number above 0'),
    resizer('ImportanceResizer', strength=3.0)('strength=3.0', 'say start as well'),
    resizer('ImportanceResizer', frozen=None)('got None', 'must be True or False'),
    resizer('ImportanceResizer', in_channels=0)('got 0', 'at least 1'),
    resizer('ImportanceResizer', value_range=(1, 0))('got (1, 0)', RANGE),
    resizer('ImportanceResizer', backend='cuda')("'cuda'", 'choose one of auto'),
    resizer('ImportanceResizer', FileNotFoundError, pretrained='nowhere')("'nowhere'", 'those with the package are'),
    resizer('LearnedResizer', num_blocks=1.5)('got 1.5', WHOLE),
    resizer('LearnedResizer', channels='a')("got 'a'", WHOLE),
    resizer('LearnedResizer', start='area')("'area'", 'choose one of random, bilinear'),
    resizer('LearnedResizer', value_range=(0, nan))('got (0, nan)', RANGE),
    resizer('MullerResizer', num_layers='2')("got '2'", WHOLE),
    resizer('MullerResizer', kernel_size=4)('got 4', 'an odd number'),
    resizer('MullerResizer', kernel_size=3.0)('got 3.0', WHOLE),
    resizer('MullerResizer', stddev=inf)('got inf', 'above 0, and finite'),
    resizer('MullerResizer', stddev='1')("got '1'", 'a number above 0'),
    resizer('MullerResizer', value_range=(1, 1))('got (1, 1)', RANGE),
    # Initialisation
    Case('init_cfg a number', initialised(3), TypeError, "<class 'int'>", 'must be a dict'),
    Case(
        'init_cfg of a file that is not there',
        initialised(dict(type='Pretrained', checkpoint='nowhere.pth', prefix='data_preprocessor.downsizer')),
        CheckpointError,
        'nowhere.pth',
        'no such checkpoint',
    ),
    # Padding, which is the parent's, at the downsized size
    Case('pad_size_divisor 0', partial(build, 'det', dict(pad_size_divisor=0)), ValueError, 'got 0', 'at least 1 px'),
    Case(
        'pad_size_divisor 1.5',
        partial(build, 'det', dict(pad_size_divisor=1.5)),
        ValueError,
        'got 1.5',
        'must be a whole number',
    ),
    Case('size_divisor -2', partial(build, 'seg', dict(size_divisor=-2)), ValueError, 'got -2', 'at least 1 px'),
    Case(
        'size and size_divisor',
        partial(build, 'seg', dict(size=(64, 64), size_divisor=32)),
        ValueError,
        'size=(64, 64) and size_divisor=32',
        'leave one out',
    ),
    Case(
        'size and size_divisor at test time',
        partial(build, 'seg', dict(test_cfg=dict(size=(64, 64), size_divisor=32))),
        ValueError,
        'test_cfg.size=(64, 64) and test_cfg.size_divisor=32',
        'leave one out',
    ),
    Case('size a number', partial(build, 'seg', dict(size=64)), ValueError, 'got 64', r'must be \(h, w\)'),
    Case('size of one', partial(build, 'seg', dict(size=(64,))), ValueError, 'got (64,)', r'must be \(h, w\)'),
    Case('size 0', partial(build, 'seg', dict(size=(0, 64))), ValueError, 'got (0, 64)', 'at least 1'),
    Case(
        'size that rounds to 0 px',
        partial(build, 'seg', dict(size=(4, 64), scale_factor=0.1)),
        ValueError,
        '64 x 4 px',
        'ask for a larger target',
    ),
    Case(
        'test_cfg misspelt',
        partial(build, 'seg', dict(test_cfg=dict(sise=(64, 64)))),
        ValueError,
        "{'sise': (64, 64)}",
        'must have size or size_divisor',
    ),
    Case(
        'test_cfg a string', partial(build, 'seg', dict(test_cfg='whole')), ValueError, "'whole'", 'must have size or'
    ),
    Case(
        'test_cfg for pairs',
        partial(build, 'seg_pair', dict(size_divisor=1, test_cfg=dict(size_divisor=32))),
        ValueError,
        'SegPairDownsizePreprocessor',
        'does not take test_cfg',
    ),
    Case(
        'keep_labels for pairs',
        partial(build, 'seg_pair', dict(size_divisor=1, keep_labels=True)),
        ValueError,
        'keep_labels',
        'leave it out',
    ),
    Case(
        'keep_labels with batch_augments',
        partial(build, 'seg', dict(keep_labels=True, batch_augments=tuple)),
        ValueError,
        'keep_labels=True does not go with batch_augments',
        'leave one out',
    ),
    Case('keep_labels a string', partial(build, 'seg', dict(keep_labels='no')), ValueError, "'no'", 'True or False'),
    Case(
        'pad_size_divisor for pairs',
        partial(build, 'pair', dict(pad_size_divisor=32)),
        ValueError,
        'pad_size_divisor=32',
        'leave it out',
    ),
    Case(
        'batch_augments of mmseg as configs',
        partial(build, 'seg', dict(batch_augments=[dict(type='MixUp')])),
        ValueError,
        "[{'type': 'MixUp'}]",
        'leave it out',
    ),
    Case(
        'two factors for RTMDet-Ins',
        lambda folder: held_with(RTMDetInsHead, scale_factor=(0.5, 0.4)),
        ValueError,
        'scale_factor=(0.5, 0.4)',
        'RTMDetInsHead would return masks of another size .*say one scale_factor',
    ),
    Case(
        'BatchResize',
        partial(build, 'det', dict(batch_augments=[dict(type='mmdet.BatchResize', scale=(64, 64))])),
        ValueError,
        'BatchResize in batch_augments',
        'remove it',
    ),
    Case(
        'BatchFixedSizePad of a number',
        partial(build, 'det', dict(batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=64)])),
        ValueError,
        'got 64',
        'BatchFixedSizePad must be',
    ),
    Case(
        'BatchFixedSizePad with drawn scales',
        partial(
            build,
            'det',
            dict(
                batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=(64, 64))],
                train_scale_factor=(0.3, 0.6),
            ),
        ),
        ValueError,
        'train_scale_factor draws many',
        'remove one of them',
    ),
    # The preprocessor itself, as OpenMMLab says it
    Case(
        'preprocessor misspelt',
        lambda folder: MODELS.build(dict(type='mmdownsize.DetDownsizePreprocesor')),
        KeyError,
        'mmdownsize.DetDownsizePreprocesor',
        'is not in the',
    ),
    Case('mean without std', partial(build, 'det', dict(mean=[1, 2, 3])), AssertionError, 'mean and std', 'both'),
    Case(
        'std of two values',
        partial(build, 'det', dict(mean=[1, 2, 3], std=[1, 1])),
        AssertionError,
        'got 2 values',
        '1 or 3 values',
    ),
]


def same_as_without(folder):
    """A std of 0 makes infinities with and without a downsizer."""
    settings = dict(mean=[1.0, 2.0, 3.0], std=[0.0, 1.0, 1.0])
    image = torch.full((3, 8, 8), 7.0)
    ours = build('det', settings)(dict(inputs=[image], data_samples=None))['inputs']
    theirs = MODELS.build(dict(type='mmdet.DetDataPreprocessor', **settings))(dict(inputs=[image], data_samples=None))
    assert torch.equal(ours, theirs['inputs'][..., ::2, ::2]) and ours[0, 0].isinf().all()


ACCEPTED = [Accepted('a std of 0', same_as_without)]
