"""Annotations of detection under the resize: in training they follow the image, at test time metrics need them as they were."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData

from tests.preprocessors.batches import (
    DST_HW,
    FACTOR,
    SCALE_X,
    SCALE_Y,
    SRC_HW,
    det_preprocessor,
    det_sample,
    horizontal,
    nearest,
    random_image,
    random_labels,
    scaled,
)

both_modes = pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])
both_box_types = pytest.mark.parametrize('box_type', [None, horizontal], ids=['tensor', 'HorizontalBoxes'])


def processed(sample, training, **kwargs):
    data = det_preprocessor(**kwargs)(dict(inputs=[random_image()], data_samples=[sample]), training)
    return data['data_samples'][0]


def tensor_of(boxes):
    return boxes.tensor if isinstance(boxes, HorizontalBoxes) else boxes


@both_box_types
@pytest.mark.parametrize('name', ['gt_instances', 'ignored_instances'])
def test_boxes_follow_the_image_in_training_only(name, box_type):
    sample = det_sample(box_type=box_type)
    given = tensor_of(sample.get(name).bboxes).clone()
    trained = processed(sample, training=True).get(name)
    assert torch.allclose(trained.bboxes, scaled(given), rtol=1e-6, atol=0)
    assert not torch.allclose(trained.bboxes, given)
    tested = processed(sample, training=False).get(name)
    assert torch.equal(tested.bboxes, given)


@both_box_types
def test_boxtype2tensor_is_the_parents_and_comes_after(box_type):
    sample = det_sample(box_type=box_type)
    kind = HorizontalBoxes if box_type else torch.Tensor
    kept = processed(sample, training=True, boxtype2tensor=False).gt_instances.bboxes
    assert type(kept) is kind
    assert torch.allclose(tensor_of(kept), scaled(tensor_of(sample.gt_instances.bboxes)), rtol=1e-6, atol=0)
    assert type(processed(sample, training=True).gt_instances.bboxes) is torch.Tensor


@both_modes
def test_proposals_follow_the_image_in_training_and_test(training):
    sample = det_sample()
    proposals = processed(sample, training).proposals
    assert torch.allclose(proposals.bboxes, scaled(sample.proposals.bboxes), rtol=1e-6, atol=0)
    assert torch.equal(proposals.scores, sample.proposals.scores)


@both_modes
def test_proposals_may_be_horizontal_boxes(training):
    sample = det_sample()
    given = sample.proposals.bboxes.clone()
    sample.proposals.bboxes = horizontal(given.clone())
    assert torch.allclose(tensor_of(processed(sample, training).proposals.bboxes), scaled(given), rtol=1e-6, atol=0)


@both_modes
def test_everything_else_of_an_instance_stays(training):
    sample = det_sample()
    mapped = processed(sample, training)
    assert torch.equal(mapped.gt_instances.labels, sample.gt_instances.labels)
    areas = sample.gt_instances.areas * (SCALE_X * SCALE_Y if training else 1)
    assert torch.allclose(mapped.gt_instances.areas, areas)
    assert torch.equal(mapped.ignored_instances.labels, sample.ignored_instances.labels)


@both_modes
def test_images_without_objects_pass(training):
    sample = det_sample(count=0)
    mapped = processed(sample, training).gt_instances
    assert mapped.bboxes.shape == (0, 4)
    assert mapped.masks.masks.shape == (0, *(DST_HW if training else SRC_HW))


def test_bitmap_masks_take_the_nearest_pixel_in_training_only():
    sample = det_sample()
    given = sample.gt_instances.masks.masks.copy()
    mapped = processed(sample, training=True).gt_instances.masks
    assert isinstance(mapped, BitmapMasks)
    assert (mapped.height, mapped.width) == DST_HW
    assert mapped.masks.dtype == given.dtype
    assert np.array_equal(mapped.masks, nearest(given))
    tested = processed(sample, training=False).gt_instances.masks
    assert np.array_equal(tested.masks, given)


def test_a_boolean_bitmap_stays_boolean():
    masks = BitmapMasks(np.random.default_rng(0).random((2, *SRC_HW)) < 0.5, *SRC_HW)
    mapped = processed(det_sample(count=2, masks=masks), training=True).gt_instances.masks
    assert mapped.masks.dtype == np.bool_
    assert np.array_equal(mapped.masks, nearest(masks.masks))


@pytest.mark.filterwarnings('ignore:images come at the size')
@pytest.mark.parametrize('factor', [FACTOR, 1])
def test_mapped_bitmaps_are_an_array_of_their_own_that_numpy_can_write_to(factor):
    sample = det_sample()
    given = sample.gt_instances.masks.masks.copy()
    mapped = processed(sample, training=True, scale_factor=factor).gt_instances.masks
    expected = nearest(given) if factor == FACTOR else given
    assert np.array_equal(mapped.masks, expected)
    assert mapped.masks.flags.c_contiguous
    mapped.masks[:] = 7
    assert np.array_equal(sample.gt_instances.masks.masks, given)


def test_polygon_masks_are_scaled_in_training_only():
    triangle, square = np.array([1.0, 2.0, 50.0, 3.0, 10.0, 36.0]), np.array([5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0])
    sample = det_sample(count=2, masks=PolygonMasks([[triangle, square], [square]], *SRC_HW))
    mapped = processed(sample, training=True).gt_instances.masks
    assert isinstance(mapped, PolygonMasks)
    assert (mapped.height, mapped.width) == DST_HW
    assert [len(polygons) for polygons in mapped.masks] == [2, 1]
    scale = np.array([SCALE_X, SCALE_Y] * 3)
    assert mapped.masks[0][0] == pytest.approx(triangle * scale)
    assert mapped.masks[1][0] == pytest.approx(square * np.array([SCALE_X, SCALE_Y] * 4))
    tested = processed(sample, training=False).gt_instances.masks
    assert np.array_equal(tested.masks[0][0], triangle)


def test_polygon_masks_without_objects():
    mapped = processed(det_sample(count=0, masks=PolygonMasks([], *SRC_HW)), training=True).gt_instances.masks
    assert (len(mapped), mapped.height, mapped.width) == (0, *DST_HW)


def test_masks_may_be_a_tensor():
    masks = torch.rand(3, *SRC_HW) < 0.5
    mapped = processed(det_sample(masks=masks), training=True).gt_instances.masks
    assert mapped.dtype == torch.bool
    assert np.array_equal(mapped.numpy(), nearest(masks.numpy()))


def test_instances_may_have_masks_and_no_boxes():
    masks = BitmapMasks(np.ones((1, *SRC_HW), np.uint8), *SRC_HW)
    sample = DetDataSample(gt_instances=InstanceData(labels=torch.tensor([1]), masks=masks))
    mapped = processed(sample, training=True).gt_instances
    assert 'bboxes' not in mapped
    assert mapped.masks.masks.shape == (1, *DST_HW)


def test_masks_are_padded_with_the_batch():
    preprocessor = det_preprocessor(pad_mask=True, pad_size_divisor=16)
    sample = det_sample()
    mapped = preprocessor(dict(inputs=[random_image()], data_samples=[sample]), True)['data_samples'][0]
    masks = mapped.gt_instances.masks.masks
    assert masks.shape == (3, 16, 32)
    assert np.array_equal(masks[:, :15, :21], nearest(sample.gt_instances.masks.masks))
    assert not masks[:, 15:].any()
    assert not masks[:, :, 21:].any()


def test_semantic_map_takes_the_nearest_pixel_in_training_only():
    sample = det_sample()
    given = sample.gt_sem_seg.sem_seg.clone()
    mapped = processed(sample, training=True).gt_sem_seg
    assert mapped.sem_seg.dtype == given.dtype
    assert np.array_equal(mapped.sem_seg.numpy(), nearest(given.numpy()))
    assert mapped.ignore_index == 255
    assert torch.equal(processed(sample, training=False).gt_sem_seg.sem_seg, given)


def test_semantic_map_is_padded_with_the_batch():
    sample = det_sample()
    mapped = processed(sample, training=True, pad_seg=True, pad_size_divisor=16, seg_pad_value=254).gt_sem_seg.sem_seg
    assert mapped.shape == (1, 16, 32)
    assert np.array_equal(mapped[:, :15, :21].numpy(), nearest(sample.gt_sem_seg.sem_seg.numpy()))
    assert (mapped[:, 15:] == 254).all()


def test_panoptic_map_takes_the_nearest_pixel_in_training_only():
    sample = det_sample()
    given = random_labels(dtype=torch.int64)
    sample.gt_panoptic_seg = PixelData(sem_seg=given.clone())
    assert np.array_equal(processed(sample, training=True).gt_panoptic_seg.sem_seg.numpy(), nearest(given.numpy()))
    assert torch.equal(processed(sample, training=False).gt_panoptic_seg.sem_seg, given)


def test_masks_lie_on_the_image_that_they_were_drawn_on():
    mask = torch.randint(0, 2, (1, *SRC_HW), dtype=torch.uint8)
    sample = det_sample(count=1, masks=BitmapMasks(mask.numpy(), *SRC_HW))
    preprocessor = det_preprocessor(downsizer=dict(type='FixedResizer', kernel='nearest'))
    data = preprocessor(dict(inputs=[mask.expand(3, -1, -1)], data_samples=[sample]), True)
    drawn = data['inputs'][0, :1].numpy()
    assert np.array_equal(data['data_samples'][0].gt_instances.masks.masks, drawn)
