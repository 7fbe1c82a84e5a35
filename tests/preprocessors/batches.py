"""Small images, samples and batches as the pipelines of mmdet and mmseg deliver them, and the preprocessors to feed with them.

mmdet and mmseg are imported where they are used: where one is not installed, the tests of the other run.
"""

import copy

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import nn

from mmdownsize.resizers import DownsizeNet, ImportanceResizer

# 37 x 53 px at 0.4 are int(14.8 + 0.5) x int(21.2 + 0.5) = 15 x 21 px: neither scale is 0.4, and they differ.
SRC_HW, FACTOR, DST_HW = (37, 53), 0.4, (15, 21)
SCALE_X, SCALE_Y = 21 / 53, 15 / 37


def det_preprocessor(**kwargs):
    from mmdownsize.preprocessors.det import DetDownsizePreprocessor

    if 'scale' not in kwargs:
        kwargs.setdefault('scale_factor', FACTOR)
    kwargs.setdefault('downsizer', dict(type='FixedResizer'))
    return DetDownsizePreprocessor(**kwargs)


def seg_preprocessor(**kwargs):
    from mmdownsize.preprocessors.seg import SegDownsizePreprocessor

    if 'scale' not in kwargs:
        kwargs.setdefault('scale_factor', FACTOR)
    kwargs.setdefault('downsizer', dict(type='FixedResizer'))
    kwargs.setdefault('size_divisor', None if 'size' in kwargs else 1)
    return SegDownsizePreprocessor(**kwargs)


def trained_downsizer(**kwargs):
    """A DownsizeNet whose coefficients depend on the image, as after training."""
    net = DownsizeNet(**kwargs)
    nn.init.normal_(net.fusion.weight, std=0.5)
    nn.init.normal_(net.fusion.bias, std=0.5)
    return net


def trained_importance(**kwargs):
    """An ImportanceResizer whose importance depends on the image, as after training."""
    net = ImportanceResizer(**kwargs)
    nn.init.normal_(net.score.weight, std=0.5)
    return net


def random_image(hw=SRC_HW, channels=3, dtype=torch.uint8):
    return torch.randint(0, 256, (channels, *hw)).to(dtype)


def random_boxes(count, hw=SRC_HW):
    corners = torch.rand(count, 2, 2) * torch.tensor([hw[1], hw[0]], dtype=torch.float32)
    return torch.cat([corners.amin(1), corners.amax(1)], 1)


def det_sample(hw=SRC_HW, count=3, *, box_type=None, masks=None, **metainfo):
    """A sample with boxes, labels, masks, ignored boxes, proposals and a semantic map."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    wrap = box_type or (lambda boxes: boxes)
    if masks is None:
        masks = BitmapMasks(torch.randint(0, 2, (count, *hw), dtype=torch.uint8).numpy(), *hw)
    sample = DetDataSample(metainfo=dict(img_id=7, ori_shape=hw, img_shape=hw) | metainfo)
    sample.gt_instances = InstanceData(
        bboxes=wrap(random_boxes(count, hw)), labels=torch.arange(count), masks=masks, areas=torch.rand(count)
    )
    sample.ignored_instances = InstanceData(bboxes=wrap(random_boxes(2, hw)), labels=torch.tensor([4, 5]))
    sample.proposals = InstanceData(bboxes=random_boxes(5, hw), scores=torch.rand(5))
    sample.gt_sem_seg = PixelData(sem_seg=random_labels(hw), metainfo=dict(ignore_index=255))
    return sample


def random_labels(hw=SRC_HW, classes=19, dtype=torch.uint8):
    labels = torch.randint(0, classes, (1, *hw))
    return torch.where(torch.rand(1, *hw) < 0.2, 255, labels).to(dtype)


def seg_sample(hw=SRC_HW, **metainfo):
    """A sample with a label map, an edge map and a depth map."""
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=dict(img_path='a.png', ori_shape=hw, img_shape=hw) | metainfo)
    sample.gt_sem_seg = PixelData(data=random_labels(hw, dtype=torch.int64))
    sample.gt_edge_map = PixelData(data=(torch.rand(1, *hw) < 0.3).to(torch.uint8))
    sample.set_data(dict(gt_depth_map=PixelData(data=100 * torch.rand(1, *hw))))
    return sample


def nearest(array, dst_hw=DST_HW):
    """Every output pixel's value of the source pixel that contains its centre, one by one."""
    array = np.asarray(array)
    (src_h, src_w), (dst_h, dst_w) = array.shape[-2:], dst_hw
    out = np.empty((*array.shape[:-2], dst_h, dst_w), array.dtype)
    for i in range(dst_h):
        for j in range(dst_w):
            out[..., i, j] = array[..., (2 * i + 1) * src_h // (2 * dst_h), (2 * j + 1) * src_w // (2 * dst_w)]
    return out


def scaled(boxes):
    """Boxes of SRC_HW in the frame of DST_HW."""
    return torch.stack([boxes[:, 0] * SCALE_X, boxes[:, 1] * SCALE_Y, boxes[:, 2] * SCALE_X, boxes[:, 3] * SCALE_Y], 1)


def horizontal(boxes):
    from mmdet.structures.bbox import HorizontalBoxes

    return HorizontalBoxes(boxes, clone=False)


def frozen_copy(value):
    """All that can be compared of a batch, copied."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, BaseDataElement):
        return {name: frozen_copy(item) for name, item in value.all_items()}
    if isinstance(value, dict):
        return {name: frozen_copy(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen_copy(item) for item in value]
    if hasattr(value, 'tensor'):
        return value.tensor.clone()
    if hasattr(value, 'masks'):
        return (value.height, value.width, copy.deepcopy(value.masks))
    return copy.deepcopy(value)


def same(a, b):
    """Whether two frozen copies are equal, bit for bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
