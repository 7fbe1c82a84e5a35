"""Batches of every size, dtype and kind of annotation: a right result, or a refusal at the door, and nothing else.

``make nightly`` tries 10,000 (the profile ``nightly``); the suite tries a few hundred, the same every time.
"""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

from mmdownsize.geometry import ResizeMap, TargetSize, scale_boxes
from mmdownsize.preprocessors.det import DetDownsizePreprocessor
from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer
from tests.preprocessors.batches import frozen_copy, nearest, random_boxes, random_labels, same

EXAMPLES = max(300, settings().max_examples)  # the profile's, if it asks for more


@pytest.fixture(scope='module', autouse=True)
def _one_thread(single_thread):
    pass


def trained(**settings):
    torch.manual_seed(0)
    net = DownsizeNet(channels=4, **settings)
    with torch.no_grad():
        net.fusion.weight.normal_(std=0.5)
        net.fusion.bias.normal_(std=0.5)
    return net


def with_importance(**settings):
    torch.manual_seed(0)
    net = ImportanceResizer(channels=4, **settings)
    torch.nn.init.normal_(net.score.weight)
    return net


# Convex ones: every output lies in the range of the image.
DOWNSIZERS = {
    'bilinear': FixedResizer(),
    'area': FixedResizer(kernel='area'),
    'antialiased': FixedResizer(antialias=True),
    'darkest': FixedResizer(kernel='darkest'),
    'importance': with_importance(start='brightest'),
    'net 2x2': trained(),
    'net 4x4': trained(neighbors=4, start='area', distance='area'),
    'net auto': trained(neighbors='auto', start='antialiased', normalize='sigmoid'),
}
DTYPES = [torch.uint8, torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]
# Between two numbers of half precision below 256: a last digit of float32 may decide which of them is the nearest.
STEPS = {torch.float16: 0.125, torch.bfloat16: 1.0}
SIDES = st.one_of(st.integers(1, 24), st.integers(1, 90), st.sampled_from([0, 1, 2, 300]))
FACTORS = st.floats(0.02, 1.6, allow_nan=False)
TARGETS = st.one_of(
    st.fixed_dictionaries({'scale_factor': st.one_of(FACTORS, st.tuples(FACTORS, FACTORS))}),
    st.fixed_dictionaries(
        {
            'scale': st.one_of(st.integers(1, 40), st.tuples(st.integers(1, 40), st.integers(1, 40))),
            'keep_ratio': st.booleans(),
        }
    ),
)
BATCHES = st.fixed_dictionaries(
    {
        'sizes': st.lists(st.tuples(SIDES, SIDES), min_size=0, max_size=3),
        'alike': st.booleans(),  # all images of one size
        'stacked': st.booleans(),  # in a tensor
        'dtype': st.sampled_from([*DTYPES[:5], *DTYPES]),
        'channels': st.sampled_from([3, 3, 3, 3, 1, 4]),
        'boxes': st.integers(0, 3),
        'annotations': st.sampled_from(['boxes', 'bitmaps', 'polygons', 'labels', 'none']),
        'spoilt': st.sampled_from(['', '', '', 'nan', 'inf', 'a sample missing', 'masks of another size']),
        'training': st.booleans(),
        'seed': st.integers(0, 2**16),
    }
)


def images_of(batch):
    sizes = [batch['sizes'][0]] * len(batch['sizes']) if batch['alike'] and batch['sizes'] else batch['sizes']
    images = [torch.randint(0, 256, (batch['channels'], *hw)).to(batch['dtype']) for hw in sizes]
    if images and batch['spoilt'] in ('nan', 'inf') and images[0].is_floating_point():
        images[0].fill_(float(batch['spoilt']))
    stackable = batch['stacked'] and images and len({image.shape for image in images}) == 1
    return torch.stack(images) if stackable else images


def content_of(images, samples):
    return frozen_copy([[torch.nan_to_num(image.double()) for image in images], samples])  # NaN equals nothing


def polygon(box):
    x1, y1, x2, y2 = box.tolist()
    return [np.array([x1, y1, x2, y1, x2, y2, x1, y2])]


def sample_of(batch, hw, task):
    """A sample of that kind of annotations, and the boxes, bitmaps and labels that it holds."""
    count, kind = batch['boxes'], batch['annotations']
    boxes = random_boxes(count, hw)
    bitmaps = np.random.default_rng(batch['seed']).integers(0, 2, (count, *hw), dtype=np.uint8)
    labels = random_labels(hw)
    mask_hw = (hw[0] + 1, hw[1]) if batch['spoilt'] == 'masks of another size' else hw
    meta = dict(ori_shape=hw, img_shape=hw)
    if task == 'seg':
        sample = SegDataSample(metainfo=meta)
        if kind != 'none':
            sample.gt_sem_seg = PixelData(data=labels.clone())
        return sample, (boxes, bitmaps, labels)
    sample = DetDataSample(metainfo=meta)
    if kind in ('boxes', 'bitmaps', 'polygons'):
        sample.gt_instances = InstanceData(bboxes=boxes.clone(), labels=torch.arange(count))
    if kind == 'bitmaps':
        masks = bitmaps if mask_hw == hw else np.zeros((count, *mask_hw), np.uint8)
        sample.gt_instances.masks = BitmapMasks(masks, *mask_hw)
    if kind == 'polygons':
        sample.gt_instances.masks = PolygonMasks([polygon(box) for box in boxes], *mask_hw)
    if kind == 'labels':
        sample.gt_sem_seg = PixelData(sem_seg=labels.clone())
    return sample, (boxes, bitmaps, labels)


def refusal(batch, task, target, images):
    """Whether this batch has to be refused: worked out from what was drawn, not from what the preprocessor does."""
    if len(images) == 0 or any(0 in image.shape for image in images):
        return True
    if batch['dtype'] in (torch.int64, torch.bool) or batch['spoilt'] == 'a sample missing':
        return True
    sizes = []
    for image in images:
        h, w = image.shape[-2:]
        if target.scale_factor is None:
            dst = target.scale if isinstance(target.scale, tuple) else (target.scale, target.scale)
        else:
            factors = target.scale_factor if isinstance(target.scale_factor, tuple) else (target.scale_factor,) * 2
            dst = tuple(int(side * factor + 0.5) for side, factor in zip((w, h), factors))
        if target.keep_ratio:
            ratio = min(max(dst) / max(h, w), min(dst) / min(h, w))
            dst = tuple(int(side * ratio + 0.5) for side in (w, h))
        if min(dst) < 1:
            return True
        sizes.append(dst)
    if task == 'seg' and not batch['training'] and len(set(sizes)) > 1:
        return True
    masks = task == 'det' and batch['training'] and batch['annotations'] in ('bitmaps', 'polygons')
    if masks and batch['spoilt'] == 'masks of another size':
        return True
    return batch['spoilt'] in ('nan', 'inf') and images[0].is_floating_point()


def check_annotations(sample, resize_map, task, drawn):
    """They are mapped as independently derived, and mapped back are what they were."""
    boxes, bitmaps, labels = drawn
    (sx, sy), dst_hw = resize_map.scale_xy, resize_map.dst_hw
    key = 'data' if task == 'seg' else 'sem_seg'
    if 'gt_sem_seg' in sample:
        mapped = sample.gt_sem_seg.get(key)[..., : dst_hw[0], : dst_hw[1]]
        assert np.array_equal(mapped.numpy(), nearest(labels, dst_hw))
    if 'gt_instances' not in sample:
        return
    mapped = sample.gt_instances.bboxes
    assert torch.allclose(mapped, boxes * torch.tensor([sx, sy, sx, sy]), rtol=1e-5, atol=1e-4)
    assert torch.allclose(scale_boxes(mapped, resize_map.inverse()), boxes, rtol=1e-4, atol=1e-3)
    masks = sample.gt_instances.get('masks')
    if isinstance(masks, BitmapMasks):
        assert np.array_equal(masks.masks[:, : dst_hw[0], : dst_hw[1]], nearest(bitmaps, dst_hw))
    if isinstance(masks, PolygonMasks):
        for (points,), box in zip(masks.masks, mapped):
            corners = points.reshape(-1, 2)
            assert np.allclose([*corners.min(0), *corners.max(0)], box.numpy(), rtol=1e-4, atol=1e-3)


@settings(max_examples=EXAMPLES)
@given(
    task=st.sampled_from(['det', 'seg']),
    target=TARGETS,
    downsizer=st.sampled_from(sorted(DOWNSIZERS)),
    batch=BATCHES,
)
@example(
    task='det',
    target={'scale': 23, 'keep_ratio': True},
    downsizer='net auto',
    batch={
        'sizes': [(18, 19), (1, 1)],
        'alike': True,
        'stacked': False,
        'dtype': torch.float16,
        'channels': 3,
        'boxes': 0,
        'annotations': 'boxes',
        'spoilt': '',
        'training': False,
        'seed': 7,
    },
)  # where a batch and a single image round to two neighbours
def test_a_right_result_or_a_refusal(task, target, downsizer, batch):
    torch.manual_seed(batch['seed'])
    parent = DetDownsizePreprocessor if task == 'det' else SegDownsizePreprocessor
    padding = {} if task == 'det' else dict(size_divisor=1)
    preprocessor = parent(downsizer=DOWNSIZERS[downsizer], **target, **padding)
    images = images_of(batch)
    made = [sample_of(batch, tuple(max(1, side) for side in image.shape[-2:]), task) for image in images]
    samples = [sample for sample, _ in made]
    given_samples = samples[1:] if batch['spoilt'] == 'a sample missing' else samples
    before = content_of(images, samples)
    rule = TargetSize(**target)
    net_needs_three = isinstance(DOWNSIZERS[downsizer], DownsizeNet | ImportanceResizer) and batch['channels'] != 3
    if refusal(batch, task, rule, images) or net_needs_three:
        with pytest.raises(Refusal) as refused:
            preprocessor(dict(inputs=images, data_samples=given_samples), batch['training'])
        assert type(refused.value) in (Refusal, TypeRefusal) and len(str(refused.value)) > 20
        assert 'mmdownsize' in refused.traceback[-1].path.parts[-3:], refused.traceback[
            -1
        ]  # not from deep inside torch
        assert same(before, content_of(images, samples))
        return
    out = preprocessor(dict(inputs=images, data_samples=given_samples), batch['training'])
    assert same(before, content_of(images, samples))
    maps = [ResizeMap(tuple(image.shape[-2:]), rule.of(image.shape[-2:])) for image in images]
    largest = tuple(max(one.dst_hw[axis] for one in maps) for axis in (0, 1))
    assert out['inputs'].shape == (len(images), batch['channels'], *largest) and out['inputs'].isfinite().all()
    for image, small, sample, (_, drawn), one in zip(images, out['inputs'], out['data_samples'], made, maps):
        h, w = one.dst_hw
        small = small[:, :h, :w]
        pixels = image.to(small)
        spread = 1.0 if batch['dtype'] in (torch.bfloat16, torch.float16) else 1e-2
        for axis in (lambda x: x.amin((1, 2)), lambda x: -x.amax((1, 2))):
            assert (axis(small) >= axis(pixels) - spread).all()
        alone = preprocessor(dict(inputs=[image], data_samples=None if not batch['training'] else [made[0][0]]), False)
        assert torch.allclose(
            alone['inputs'][0, :, :h, :w], small, rtol=0, atol=STEPS.get(batch['dtype'], 1e-3)
        )  # batch = single
        assert sample.img_shape == (h, w) and sample.ori_shape == one.src_hw
        assert np.allclose(sample.scale_factor, one.scale_xy)
        if batch['training']:
            check_annotations(sample, one, task, drawn)
        elif 'gt_instances' in sample:  # metrics read it, in original coordinates
            assert torch.equal(sample.gt_instances.bboxes, drawn[0])
