"""Malformed batches: refused when they reach the preprocessor; and odd ones, which go through as they do without a downsizer."""

import math

import numpy as np
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import nn

from tests.bad_input.case import Accepted, Case
from tests.preprocessors.batches import (
    DST_HW,
    SRC_HW,
    det_preprocessor,
    det_sample,
    nearest,
    random_image,
    random_labels,
    scaled,
    seg_preprocessor,
    seg_sample,
    trained_downsizer,
)

nan, inf = math.nan, math.inf
TASKS = {'det': (det_preprocessor, det_sample), 'seg': (seg_preprocessor, seg_sample)}
AUTO = object()
NORMALISED = dict(mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])


def run(task, images, samples=AUTO, training=True, **settings):
    """Preprocess a batch; samples are made to fit where none are given."""
    build, sample_of = TASKS[task]
    images = images() if callable(images) else images
    if samples is AUTO:
        samples = [sample_of(tuple(image.shape[-2:])) for image in images]
    return build(**settings)(dict(inputs=images, data_samples=samples), training)


class RTMDetInsHead(nn.Module):
    """A head of that name."""


class YOLACTProtonet(nn.Module):
    """A head of that name."""


def held_with(head, **target):
    """The preprocessor of a model that has this head."""
    model = BaseDetector(det_preprocessor(**target))
    model.mask_head = head()
    return model.data_preprocessor


class BaseDetector(BaseModel):
    forward = None


class Strided(BaseModel):
    """A network that halves its images, and adds what it has enlarged again."""

    def extract_feat(self, inputs):
        return inputs + inputs[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.extract_feat(inputs)


def both(id, images, error, value, way_out, **options):
    return [Case(f'{id} ({t})', lambda _, t=t: run(t, images, **options), error, value, way_out) for t in TASKS]


def either(id, images, error, value, way_out, **options):
    """In training and at test time, for both tasks."""
    return [
        Case(f'{id} ({t}, {"training" if tr else "test"})', use, error, value, way_out)
        for t in TASKS
        for tr in (True, False)
        for use in [lambda _, t=t, tr=tr: run(t, images, training=tr, **options)]
    ]


def spoilt(value, dtype=torch.float32):
    def images():
        image = random_image(dtype=dtype)
        image[1, 20, 30] = value  # which an output pixel reads
        return [random_image(dtype=dtype), image]

    return images


def sampled(id, error, value, way_out, task='det', training=True, **fields):
    """One good image whose sample has these fields instead."""

    def use(folder):
        sample = TASKS[task][1]()
        for name, content in fields.items():
            setattr(sample if name.startswith('gt_') else sample.gt_instances, name, content)
        return run(task, [random_image()], [sample], training)

    return Case(f'{id} ({task})', use, error, value, way_out)


def described(field, content, value, way_out):
    """A sample whose metainfo has this field."""
    return [
        Case(
            f'{field}={content!r} ({task})'.replace('\n', ' '),
            lambda _, task=task: run(task, [random_image()], [TASKS[task][1](**{field: content})], False),
            ValueError,
            value,
            way_out,
        )
        for task in TASKS
    ]


def handed(id, data, value, way_out):
    return [
        Case(f'{id} ({task})', lambda _, build=build: build()(data, False), TypeError, value, way_out)
        for task, (build, _) in TASKS.items()
    ]


class OneRowTooMany(nn.Module):
    def forward(self, images, dst_hw):
        return nn.functional.interpolate(images, size=(dst_hw[0] + 1, dst_hw[1]))


class Nothing(nn.Module):
    def forward(self, images, dst_hw):
        return None


FINITE = r'images must be finite.*pipeline'
DTYPE = r'must be uint8 or floating point in 0\.\.255'
NET = dict(type='DownsizeNet')

CASES = [
    # The batch as a whole
    *handed('a list', [random_image()], 'list', "a dict with 'inputs' and 'data_samples'"),
    *handed('a tensor', random_image()[None], 'Tensor', "a dict with 'inputs' and 'data_samples'"),
    *handed('None', None, 'NoneType', "a dict with 'inputs' and 'data_samples'"),
    *handed('no inputs', dict(data_samples=[]), "a dict of ['data_samples']", "a dict with 'inputs'"),
    *both('no image', [], ValueError, 'inputs=[]', 'at least one image'),
    *both('an empty stack', torch.zeros(0, 3, 8, 8), ValueError, 'size=(0, 3, 8, 8)', 'at least one image'),
    # Pixels
    *either('a NaN pixel', spoilt(nan), ValueError, 'nan at (n, c, y, x) = (1, 1, 20, 30)', FINITE, downsizer=NET),
    *either(
        'an infinite pixel', spoilt(inf), ValueError, 'inf at (n, c, y, x) = (1, 1, 20, 30)', FINITE, downsizer=NET
    ),
    *both('a NaN pixel, half', spoilt(nan, torch.float16), ValueError, 'and 1 such values', FINITE, downsizer=NET),
    *both(
        'NaN throughout, fixed', [torch.full((3, 8, 8), nan)], ValueError, 'nan at (n, c, y, x) = (0, 0, 0, 0)', FINITE
    ),
    *both('an infinite image, fixed', [torch.full((3, 8, 8), -inf)], ValueError, '192 such values', FINITE),
    # Shapes and dtypes
    *either(
        'no rows',
        [torch.zeros(3, 0, 10)],
        ValueError,
        '(3, 0, 10)',
        'must have channels and pixels',
        samples=[seg_sample()],
    ),
    *both(
        'no columns',
        [torch.zeros(3, 10, 0)],
        ValueError,
        '(3, 10, 0)',
        'must have channels and pixels',
        samples=[seg_sample()],
    ),
    *both(
        'no channels',
        [torch.zeros(0, 10, 10)],
        ValueError,
        '(0, 10, 10)',
        'must have channels and pixels',
        samples=[seg_sample()],
    ),
    *both('1 x 20000 px at 0.4', [random_image((1, 20000))], ValueError, '20000 x 1 px', 'ask for a larger target'),
    *both(
        '1 x 20000 px with its ratio',
        [random_image((1, 20000))],
        ValueError,
        'scale=16, keep_ratio=True makes 16 x 0 px',
        'ask for a larger target',
        scale=16,
        keep_ratio=True,
    ),
    *both(
        '1 channel',
        [random_image(channels=1)],
        ValueError,
        '(1, 1, 37, 53)',
        'set in_channels to change',
        downsizer=NET,
    ),
    *both(
        '4 channels',
        [random_image(channels=4)],
        ValueError,
        '(1, 4, 37, 53)',
        'set in_channels to change',
        downsizer=NET,
    ),
    *either(
        '4 channels, mean of 3', [random_image(channels=4)], ValueError, '4 channels', 'give as many', **NORMALISED
    ),
    *both(
        '3 channels and 4',
        [random_image(), random_image(channels=4)],
        ValueError,
        'got [3, 4]',
        'same number of channels',
    ),
    *both('int64', [random_image(dtype=torch.int64)], TypeError, 'got torch.int64', DTYPE),
    *both('bool', [random_image(dtype=torch.bool)], TypeError, 'got torch.bool', DTYPE),
    *both('complex', [random_image(dtype=torch.complex64)], TypeError, 'got torch.complex64', DTYPE),
    *both('a flat image', [random_image()[0]], ValueError, '(37, 53)', r'must be \(C, H, W\) each', samples=[None]),
    *both('numpy', [np.zeros((3, 8, 8), np.uint8)], TypeError, 'got list', 'a tensor or a list of tensors'),
    Case(
        'two sizes at test time (seg)',
        lambda _: run('seg', [random_image(), random_image((20, 30))], training=False),
        ValueError,
        '[(8, 12), (15, 21)]',
        'must have one size.*take batch_size=1',
    ),
    Case(
        'two sizes that do not fit (seg)',
        lambda _: run('seg', [random_image(), random_image((40, 60))], size=(20, 20)),
        ValueError,
        'do not fit into size=(8, 8)',
        r'got \[\(15, 21\), \(16, 24\)\].*crop or resize',
    ),
    Case(
        'a training batch that is not padded (seg)',
        lambda _: run('seg', [random_image()], size=None, size_divisor=None),
        ValueError,
        'size=None and size_divisor=None',
        'say size_divisor=1',
    ),
    # What somebody else's downsizer makes of them
    *both(
        'a row too many',
        [random_image()],
        ValueError,
        '(1, 3, 16, 21)',
        r'OneRow.* \(1, 3, 15, 21\)',
        downsizer=OneRowTooMany(),
    ),
    *both(
        'nothing back', [random_image()], ValueError, 'got NoneType', r'must make \(1, 3, 15, 21\)', downsizer=Nothing()
    ),
    # What a model of one scale for both directions, or of certain sizes, cannot take
    Case(
        'two scales for RTMDet-Ins',
        lambda _: held_with(RTMDetInsHead, scale=(32, 32))(
            dict(inputs=[random_image((48, 64))], data_samples=[det_sample((48, 64))])
        ),
        ValueError,
        '(48, 64) -> (32, 32)',
        'RTMDetInsHead would return masks of another size .*keep_ratio=True',
    ),
    Case(
        'padding before YOLACT',
        lambda _: held_with(YOLACTProtonet, scale_factor=0.5, pad_size_divisor=32)(dict(inputs=[random_image()])),
        ValueError,
        '(19, 27) (h, w) is padded to (32, 32)',
        'say pad_size_divisor=1',
    ),
    Case(
        'a size that strides do not divide',
        lambda _: Strided(seg_preprocessor(scale_factor=0.5)).test_step(dict(inputs=[random_image((66, 100))])),
        RuntimeError,
        'images of 33x50 px',
        r'it takes 34x50: say size=None, size_divisor=2, .*, or choose a target',
    ),
    # Samples
    *both('no samples', [random_image()], ValueError, 'got None', 'training needs data_samples', samples=None),
    *both(
        'a sample too few',
        [random_image()] * 2,
        ValueError,
        'got 1 for 2',
        'one data sample an image',
        samples=[seg_sample()],
    ),
    *both(
        'a sample too many',
        [random_image()],
        ValueError,
        'got 2 for 1',
        'one data sample an image',
        samples=[seg_sample()] * 2,
    ),
    *both('a dict as sample', [random_image()], TypeError, 'got {}', 'must be data samples', samples=[{}]),
    *both('None as sample', [random_image()], TypeError, 'got None', 'must be data samples', samples=[None]),
    *both(
        'one sample, no list', [random_image()], TypeError, 'DataSample', 'a list of data samples', samples=seg_sample()
    ),
    # Metainfo
    *described('scale_factor', True, 'got True', 'leave it out'),
    *described('scale_factor', (0.5, 0.5, 0.25, 0.5), 'got (0.5, 0.5, 0.25, 0.5)', r'a number, \(w, h\) or'),
    *described('scale_factor', (0.5, 0.5, 3), 'got (0.5, 0.5, 3)', r'a number, \(w, h\) or'),
    *described('pad_param', [1, 2, 3], 'got [1, 2, 3]', 'pad_param must be 4 finite numbers'),
    *described('padding_size', 3, 'got 3', 'padding_size must be 4 finite numbers'),
    *described('input_size', (0, 5), 'got (0, 5)', 'input_size must be 2 finite numbers above 0'),
    *described('warp_mat', [[1, 0], [0, 1]], 'got [[1, 0], [0, 1]]', '2 x 3 or 3 x 3'),
    *described('scale_factor', None, 'got None', 'leave it out'),
    *described('scale_factor', (nan, 1.0), 'got (nan, 1.0)', '2 finite numbers above 0'),
    *described('scale_factor', (0.0, 0.0), 'got (0.0, 0.0)', '2 finite numbers above 0'),
    *described('scale_factor', (0.5,), 'got (0.5,)', '2 finite numbers above 0'),
    *described('scale_factor', ('a', 'b'), "got ('a', 'b')", '2 finite numbers above 0'),
    *described('img_shape', None, 'got None', "sample's img_shape must be"),
    *described('img_shape', (37,), 'got (37,)', "sample's img_shape must be"),
    *described('img_shape', (0, 0), 'got (0, 0)', '2 finite numbers above 0'),
    *described('img_shape', (nan, 5), 'got (nan, 5)', '2 finite numbers above 0'),
    *described('img_shape', 'large', "got 'large'", "sample's img_shape must be"),
    *described('border', [1, 2, 3], 'got [1, 2, 3]', '4 finite numbers'),
    *described('border', 'x', "got 'x'", '4 finite numbers'),
    *described('homography_matrix', None, 'got None', '3 x 3'),
    *described('homography_matrix', [[1, 0], [0, 1]], 'got [[1, 0], [0, 1]]', '3 x 3'),
    # Annotations
    sampled('boxes of two', ValueError, 'got (3, 2)', r'\(\.\.\., 4\) as x1, y1, x2, y2', bboxes=torch.rand(3, 2)),
    sampled('boxes in numpy', TypeError, 'got ndarray', 'torch.from_numpy makes one', bboxes=np.zeros((3, 4))),
    sampled('boxes in a list', TypeError, 'got list', 'must be a tensor or boxes', bboxes=[[0, 0, 1, 1]] * 3),
    sampled(
        'masks of a wrong size',
        ValueError,
        'got (20, 30)',
        r'size of their image, \(37, 53\)',
        masks=BitmapMasks(np.zeros((3, 20, 30), np.uint8), 20, 30),
    ),
    sampled(
        'polygons of a wrong size',
        ValueError,
        'got (20, 30)',
        r'size of their image, \(37, 53\)',
        masks=PolygonMasks([[np.array([0.0, 0, 5, 0, 5, 5])]] * 3, 20, 30),
    ),
    sampled(
        'mask tensors of a wrong size',
        ValueError,
        'got (20, 30)',
        r'size of its image, \(37, 53\)',
        masks=torch.zeros(3, 20, 30),
    ),
    sampled(
        'masks in numpy',
        TypeError,
        'got ndarray',
        'BitmapMasks, PolygonMasks or a tensor',
        masks=np.zeros((3, *SRC_HW)),
    ),
    sampled(
        'masks in a list', TypeError, 'got list', 'BitmapMasks, PolygonMasks or a tensor', masks=[np.zeros(SRC_HW)] * 3
    ),
    sampled('keypoints in one row', ValueError, 'got (3, 51)', r'\(\.\.\., 3\) keypoints', keypoints=torch.rand(3, 51)),
    sampled(
        'keypoints in words', TypeError, "got ['a', 'b', 'c']", 'must be a tensor, an array', keypoints=list('abc')
    ),
    sampled('half a point', ValueError, 'shape (5,)', 'x and y of every point', polygons=[np.zeros(5)] * 3),
    sampled('areas in words', TypeError, "got ['a', 'b', 'c']", 'must be a tensor, an array', areas=list('abc')),
    sampled(
        'labels of a wrong size',
        ValueError,
        'got (36, 53)',
        r'size of its image, \(37, 53\)',
        task='seg',
        gt_sem_seg=PixelData(data=random_labels((36, 53))),
    ),
    sampled(
        'labels of a wrong size',
        ValueError,
        'got (36, 53)',
        r'size of its image, \(37, 53\)',
        gt_sem_seg=PixelData(sem_seg=random_labels((36, 53))),
    ),
    sampled(
        'labels in numpy',
        TypeError,
        'got ndarray',
        'torch.from_numpy makes one',
        task='seg',
        gt_sem_seg=PixelData(data=np.zeros((1, *SRC_HW))),
    ),
]


def boxes_after(boxes):
    sample = det_sample()
    sample.gt_instances.bboxes = boxes
    return run('det', [random_image()], [sample])['data_samples'][0].gt_instances.bboxes


def outside(folder):
    boxes = torch.tensor([[-50.0, -60, 900, 800], [0, 0, 0, 0], [30, 20, 10, 5]])  # too large, empty, backwards
    assert torch.allclose(boxes_after(boxes), scaled(boxes))  # as they were, not clipped
    theirs = DetDataPreprocessor()
    sample = det_sample()
    sample.gt_instances.bboxes = boxes.clone()
    left = theirs(dict(inputs=[random_image()], data_samples=[sample]), True)['data_samples'][0].gt_instances.bboxes
    assert torch.equal(left, boxes)


def not_a_number(folder):
    boxes = torch.tensor([[nan, 1, 2, 3], [1.0, 2, 3, 4], [5, inf, 6, 7]])
    assert torch.allclose(boxes_after(boxes), scaled(boxes), equal_nan=True)


def whole_numbers(folder):
    assert torch.allclose(boxes_after(torch.tensor([[1, 2, 30, 40]] * 3)), scaled(torch.tensor([[1.0, 2, 30, 40]] * 3)))


def float_labels(folder):
    for dtype in (torch.uint8, torch.int16, torch.float32, torch.bool):
        sample = seg_sample()
        labels = random_labels().to(dtype)
        sample.gt_sem_seg = PixelData(data=labels.clone())
        mapped = run('seg', [random_image()], [sample])['data_samples'][0].gt_sem_seg.data
        assert mapped.dtype == dtype and np.array_equal(mapped.numpy(), nearest(labels))


def no_labels(folder):
    sample = seg_sample()
    del sample.gt_sem_seg
    assert 'gt_sem_seg' not in run('seg', [random_image()], [sample])['data_samples'][0]


def no_metainfo(folder):
    for task in TASKS:
        sample = TASKS[task][1]()
        for name in ('img_shape', 'ori_shape'):
            delattr(sample, name)
        (mapped,) = run(task, [random_image()], [sample], False)['data_samples']
        assert mapped.img_shape == DST_HW and mapped.scale_factor == (21 / 53, 15 / 37)


def four_scales(folder):
    for task in TASKS:
        sample = TASKS[task][1](scale_factor=np.array([0.5, 0.25, 0.5, 0.25], np.float32))  # as mmdet 2 wrote it
        (mapped,) = run(task, [random_image()], [sample], False)['data_samples']
        assert np.allclose(mapped.scale_factor, (0.5 * 21 / 53, 0.25 * 15 / 37))


def one_scale(folder):
    for task in TASKS:
        (mapped,) = run(task, [random_image()], [TASKS[task][1](scale_factor=0.5)], False)['data_samples']
        assert np.allclose(mapped.scale_factor, (0.5 * 21 / 53, 0.5 * 15 / 37))  # as mmseg 0 wrote it


def long_and_thin(folder):
    for task in TASKS:
        for hw in ((1, 20000), (20000, 1)):
            image = random_image(hw)
            for downsizer in (NET, dict(NET, neighbors='auto', start='antialiased')):
                small = run(task, [image], scale=16, downsizer=downsizer)['inputs']
                assert small.shape == (1, 3, 16, 16)
                low, high = image.float().amin((1, 2)), image.float().amax((1, 2))
                assert (small[0].amin((1, 2)) >= low - 1e-3).all() and (small[0].amax((1, 2)) <= high + 1e-3).all()


def half(folder):
    for task in TASKS:
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            image = random_image()
            net = trained_downsizer()
            expected, found = (run(task, [i], downsizer=net)['inputs'] for i in (image, image.to(dtype)))
            # Pixels and results are rounded, by 1/2 and 1/16 of 255, and coefficients follow the pixels.
            assert torch.allclose(found, expected, atol=1.2 if dtype == torch.bfloat16 else 0.15)


def grey(folder):
    small = run('seg', [random_image(channels=1)], **NORMALISED)['inputs']
    assert small.shape == (1, 3, *DST_HW)  # mmseg's own broadcast


def two_dtypes(folder):
    images = [random_image(), random_image(dtype=torch.float16)]
    for task in TASKS:
        together = run(task, images)['inputs']
        alone = [run(task, [image])['inputs'][0] for image in images]
        assert torch.equal(together, torch.stack([one.to(together) for one in alone]))


def unread(folder):
    image = random_image((30, 30), dtype=torch.float32)
    good = image.clone()
    image[:, 0, 0] = nan  # at 1/3 bilinear hits the middle of three pixels and reads no other
    ours, wanted = (run('det', [i], scale=10)['inputs'] for i in (image, good))
    assert torch.equal(ours, wanted)


def resized_twice(folder):
    for task in TASKS:
        sample = TASKS[task][1](scale_factor=(0.5, 0.5), ori_shape=(74, 106))  # the pipeline has halved it
        (mapped,) = run(task, [random_image()], [sample], False, scale=(20, 10))['data_samples']
        assert mapped.scale_factor == (0.5 * 20 / 53, 0.5 * 10 / 37) and mapped.ori_shape == (74, 106)


ACCEPTED = [
    Accepted('boxes outside the image, empty and backwards', outside),
    Accepted('NaN and infinite boxes', not_a_number),
    Accepted('boxes in whole numbers', whole_numbers),
    Accepted('label maps of any dtype', float_labels),
    Accepted('a training sample without labels', no_labels),
    Accepted('samples without img_shape, ori_shape and scale_factor', no_metainfo),
    Accepted('a scale_factor of four', four_scales),
    Accepted('a scale_factor of one', one_scale),
    Accepted('images of 1 x 20000 px', long_and_thin),
    Accepted('half and double precision', half),
    Accepted('one channel, which mmseg normalises to three', grey),
    Accepted('uint8 and float16 in one batch', two_dtypes),
    Accepted('a NaN pixel that nothing reads', unread),
    Accepted('a Resize in the pipeline as well', resized_twice),
]
