"""ONNX files in onnxruntime, against the preprocessor and the segmentor themselves, at sizes never seen at export."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytest.importorskip('mmseg')

import onnx
import onnxruntime as ort

from mmdownsize.deploy import onnx_file
from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import made_up, record
from mmdownsize.deploy.segmentor import DownsizedSegmentor
from mmdownsize.geometry import TargetSize
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer
from tests.integration.swapped_models import initialised

pytestmark = pytest.mark.usefixtures('single_thread')
EXAMPLE = (48, 64)
SHAPES = [(1, 3, 33, 50), (3, 3, 70, 41), (4, 3, 64, 96)]
SAMPLING = {'GridSample', 'Resize', 'Loop', 'If', 'Scan', 'Upsample', 'Einsum'}


def session(content):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=['CPUExecutionProvider'])


def run(content, images):
    opened = session(content)
    return dict(zip([o.name for o in opened.get_outputs()], opened.run(None, {'images': images.numpy()})))


def disturbed(resizer, std=0.3):
    for parameter in resizer.parameters():
        nn.init.normal_(parameter, std=std)
    return resizer


def trained_net(**kwargs):
    net = DownsizeNet(**kwargs)
    nn.init.normal_(net.fusion.weight, std=0.02 if net.normalize == 'signed' else 0.3)
    return net


def trained_importance(**kwargs):
    net = ImportanceResizer(**kwargs)
    nn.init.normal_(net.score.weight, std=0.3)
    return net


def preprocessor(downsizer, **kwargs):
    """mmseg's preprocessor with a downsizer, and without anything after it."""
    return MODELS.build(dict(type='mmdownsize.SegDownsizePreprocessor', downsizer=downsizer, **kwargs))


NETS = {
    'default': dict(),
    'paper': dict(start='random', normalize='sigmoid'),
    'auto area': dict(neighbors='auto', distance='area', start='area'),
    'auto lanczos': dict(neighbors='auto', distance='triangle', normalize='signed', start='lanczos'),
    'distance only': dict(texture=False),
}
IMPORTANCES = {
    'area': dict(),
    'triangle, dilated': dict(kernel='triangle', num_convs=3, dilation=2, channels=8),
    'bilinear, per channel': dict(kernel='bilinear', per_channel=True, num_convs=2),
    'nearest, darkest': dict(kernel='nearest', start='darkest', limit=2),
    'around Lanczos': dict(around='lanczos_antialias', per_channel=True),
}
TARGETS = {
    'factor': dict(scale_factor=0.37),
    'upsizing': dict(scale_factor=(1.3, 0.5)),
    'scale': dict(scale=(17, 12)),
    'box': dict(scale=(30, 20), keep_ratio=True),
}


@pytest.mark.parametrize('target', TARGETS)
@pytest.mark.parametrize('name', NETS)
def test_downsizers_equal_the_preprocessor_at_other_sizes(name, target):
    net = trained_net(**NETS[name])
    wanted = preprocessor(net, **TARGETS[target])
    content = record(Downsizer(net, TargetSize(**TARGETS[target])), EXAMPLE)
    operators = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert not operators & SAMPLING
    assert {node.domain for node in onnx.load_from_string(content).graph.node} == {''}
    for shape in SHAPES:
        images = made_up(*shape[:2], shape[2:], 'float32')
        with torch.no_grad():
            expected = wanted(dict(inputs=list(images)))['inputs']
        found = torch.from_numpy(run(content, images)['downsized'])
        assert found.shape == expected.shape
        # Sums of many, or of negative, coefficients round more.
        more = 1e-6 * expected.abs().max() if name.startswith('auto') else 0
        assert (found - expected).abs().max() <= 1e-4 + more


@pytest.mark.parametrize('target', TARGETS)
@pytest.mark.parametrize('name', IMPORTANCES)
def test_importance_equals_the_preprocessor_at_other_sizes(name, target):
    net = trained_importance(**IMPORTANCES[name])
    wanted = preprocessor(net, **TARGETS[target])
    content = record(Downsizer(net, TargetSize(**TARGETS[target])), EXAMPLE)
    nodes = onnx.load_from_string(content).graph.node
    assert not {node.op_type for node in nodes} & SAMPLING
    assert {node.domain for node in nodes} == {''}
    for shape in SHAPES:
        images = made_up(*shape[:2], shape[2:], 'float32')
        with torch.no_grad():
            expected = wanted(dict(inputs=list(images)))['inputs']
        found = torch.from_numpy(run(content, images)['downsized'])
        assert found.shape == expected.shape
        # A score that is rounded in its last digit changes a weight by as much, up to exp(4) of them.
        assert (found - expected).abs().max() <= 1e-4 + 1e-6 * expected.abs().max()


@pytest.mark.parametrize(
    'resizer',
    [
        *(
            FixedResizer(kernel=kernel)
            for kernel in ('nearest', 'bilinear', 'bicubic', 'area', 'sharp_area', 'lanczos')
        ),
        *(FixedResizer(kernel=kernel, antialias=True) for kernel in ('bilinear', 'bicubic', 'lanczos')),
        FixedResizer(kernel='sharp_area', shift=(2, -1)),
        *(FixedResizer(kernel=kernel, softness=s) for kernel in ('darkest', 'brightest') for s in (0, 20)),
        disturbed(LearnedResizer(channels=4), 0.1),
        disturbed(MullerResizer()),
    ],
    ids=repr,
)
def test_the_other_resizers_by_plain_operators(resizer):
    content = record(Downsizer(resizer, TargetSize(scale_factor=0.37)), EXAMPLE)
    assert not {node.op_type for node in onnx.load_from_string(content).graph.node} & SAMPLING
    exact = resizer.double().eval()
    for shape in SHAPES:
        images = made_up(*shape[:2], shape[2:], 'float32')
        with torch.no_grad():  # in float64: PyTorch's own positions are float32's otherwise
            expected = exact(images.double(), TargetSize(scale_factor=0.37).of(shape[2:]))
        found = torch.from_numpy(run(content, images)['downsized'])
        assert (found - expected).abs().max() <= 1e-4 + 1e-6 * expected.abs().max()


@pytest.mark.parametrize('make', [trained_net, trained_importance])
def test_uint8_and_float_images_and_their_color_order(make):
    net = make()
    target = TargetSize(scale_factor=0.5)
    bgr = made_up(2, 3, (37, 52), 'uint8')
    with torch.no_grad():
        expected = net(bgr, target.of((37, 52)))
    for dtype in ('float32', 'uint8'):
        for rgb in (False, True):
            content = record(Downsizer(net, target, swap_colors=rgb), EXAMPLE, dtype=dtype)
            (given,) = session(content).get_inputs()
            assert given.type == {'float32': 'tensor(float)', 'uint8': 'tensor(uint8)'}[dtype]
            assert given.shape == ['batch', 3, 'height', 'width']
            images = bgr.flip(1) if rgb else bgr
            found = torch.from_numpy(run(content, images if dtype == 'uint8' else images.float())['downsized'])
            assert (found - (expected.flip(1) if rgb else expected)).abs().max() <= 1e-4


def loud(model):
    """The model with a downsizer that has learned something, and logits of the order of 1: a wrong pixel shows."""
    nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight, std=0.3)
    for name, parameter in model.named_parameters():
        if 'decode_head' in name and parameter.ndim == 4:
            nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    return model.eval()


WHOLE = dict(test_cfg=dict(mode='whole'))
SEGMENTORS = {
    'fcn': dict(),
    'deeplabv3plus': dict(),
    'segformer': WHOLE,
    'padded to a multiple': dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32), bgr_to_rgb=False)),
    'padded to a size': dict(data_preprocessor=dict(test_cfg=dict(size=(200, 220)), pad_val=3)),
    'binary': dict(decode_head=dict(num_classes=2, out_channels=1, threshold=0.4)),
}


@pytest.mark.parametrize('rgb', [False, True], ids=['BGR', 'RGB'])
@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentors_equal_test_step_at_other_sizes(name, rgb, tmp_path):
    if rgb and name != 'fcn':
        pytest.skip('the colour order is the same code for all')
    arch = name if name in ('fcn', 'deeplabv3plus', 'segformer') else 'fcn'
    model = loud(initialised(arch, tmp_path, **SEGMENTORS[name]))
    content = record(DownsizedSegmentor(model, swap_colors=rgb), (96, 128), dtype='uint8')
    for shape in [(1, 3, 70, 90), (3, 3, 131, 97)]:
        images = made_up(*shape[:2], shape[2:], 'uint8')
        found = run(content, images.flip(1) if rgb else images)
        expected = model.test_step(dict(inputs=list(images)))
        for i, sample in enumerate(expected):
            logits, labels = sample.seg_logits.data, sample.pred_sem_seg.data[0]
            assert logits.abs().max() > 0.1
            assert found['logits'][i].shape == logits.shape
            assert (torch.from_numpy(found['logits'][i]) - logits).abs().max() <= 1e-4
            assert (torch.from_numpy(found['labels'][i]) == labels).float().mean() > 0.999


def test_a_padded_segmentor_crops_what_it_padded(tmp_path):
    """What test_step gives without padding and with it differs: the test above could not tell a missing pad otherwise."""
    plain = loud(initialised('fcn', tmp_path))
    padded = loud(initialised('fcn', tmp_path, data_preprocessor=dict(test_cfg=dict(size_divisor=32))))
    padded.load_state_dict(plain.state_dict())
    images = made_up(1, 3, (70, 90), 'uint8')
    ours, theirs = (DownsizedSegmentor(model)(images)[0] for model in (plain, padded))
    assert ours.shape == theirs.shape == (1, 3, 70, 90)
    assert (ours - theirs).abs().max() > 1e-3


def test_what_is_not_exported_whole_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"mode='slide' predicts in windows.*--cfg-options model.test_cfg.mode=whole"):
        DownsizedSegmentor(initialised('segformer', tmp_path))
    with pytest.raises(TypeError, match='data_preprocessor is a SegDataPreProcessor and has no downsizer'):
        DownsizedSegmentor(initialised('fcn', tmp_path, swapped=False))
    inside = initialised('fcn', tmp_path)
    inside.data_preprocessor = nn.Sequential(inside.data_preprocessor)
    with pytest.raises(
        TypeError, match='is a Sequential and has its downsizer inside: export that with --part downsizer'
    ):
        DownsizedSegmentor(inside)
    with pytest.raises(TypeError, match=r'the model is a FasterRCNN; only EncoderDecoder .*--part downsizer'):
        DownsizedSegmentor(initialised('faster_rcnn', tmp_path))


def test_bad_arguments_are_refused():
    downsizer = Downsizer(DownsizeNet(), TargetSize(scale_factor=0.5))
    with pytest.raises(ValueError, match="unknown input dtype 'float16', choose one of float32, uint8"):
        record(downsizer, EXAMPLE, dtype='float16')
    for opset in (16, 21):
        with pytest.raises(ValueError, match=f'opset must be 17 to 20, got {opset}'):
            record(downsizer, EXAMPLE, opset=opset)


class Unknown(nn.Module):
    outputs = ('downsized',)

    def forward(self, images):
        return torch.linalg.eigvals(images[..., :3, :3]).real


def test_what_onnx_lacks_is_named(capsys):
    with pytest.raises(Refusal, match=r'ONNX opset 17 lacks something that the module does: .*linalg_eigvals'):
        record(Unknown(), EXAMPLE)
    assert capsys.readouterr().out == ''  # not the whole graph


def test_the_opset_and_the_metadata_are_in_the_file():
    content = record(
        Downsizer(DownsizeNet(), TargetSize(scale_factor=0.5)), EXAMPLE, opset=18, metadata={'a': json.dumps({'b': 1})}
    )
    model = onnx.load_from_string(content)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    assert session(content).get_modelmeta().custom_metadata_map == {'a': '{"b": 1}'}


def test_a_missing_package_is_named_with_the_way_to_get_it():
    with pytest.raises(ImportError, match=r'export needs no_such_package.*pip install "mmdownsize\[deploy\]"'):
        onnx_file.require('no_such_package')


def test_the_tests_run_with_what_is_installed_for_deployment():
    folder = Path(__file__).parents[2] / 'requirements'
    deploy, test = (
        {line.split('#')[0].strip() for line in (folder / name).read_text().splitlines()} - {''}
        for name in ('deploy.txt', 'test.txt')
    )
    assert deploy and deploy <= test
