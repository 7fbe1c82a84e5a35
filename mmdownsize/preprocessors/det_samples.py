"""Samples of mmdet under a resize."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import BaseBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from mmdownsize.geometry import ResizeMap, resize_labels, scale_boxes
from mmdownsize.preprocessors.metainfo import map_metainfo
from mmdownsize.preprocessors.pixel_data import resize_pixel_data
from mmdownsize.refusal import Refusal, TypeRefusal


def map_det_sample(sample: DetDataSample, resize_map: ResizeMap, training: bool) -> DetDataSample:
    """Return a sample whose every field fits the downsized image.

    Args:
        sample: Sample of the image before downsizing, which is left as it is.
        resize_map: The resize of its image.
        training: Whether to map ``gt_instances``, ``ignored_instances`` and pixel-wise annotations. Otherwise only the
            metainfo and ``proposals`` are: test pipelines load annotations after their own resizing, and metrics read
            them in original px.

    Returns:
        A new sample.

    Raises:
        TypeError: If boxes or masks are of no such kind.
        ValueError: If masks or a label map do not have the image's size, plain-tensor boxes are not (n, 4), or a field of
            the metainfo is broken.
    """
    mapped = sample.new()
    mapped.set_metainfo(map_metainfo(sample.metainfo, resize_map))
    for name, value in sample.items():
        if isinstance(value, InstanceData) and (
            name == 'proposals' or (training and name in ('gt_instances', 'ignored_instances'))
        ):
            setattr(mapped, name, _map_instances(value, resize_map))
        elif isinstance(value, PixelData) and training and name.startswith('gt_'):
            setattr(mapped, name, resize_pixel_data(value, resize_map))
    return mapped


def _map_instances(instances: InstanceData, resize_map: ResizeMap) -> InstanceData:
    mapped = instances.new()
    if 'bboxes' in instances:
        mapped.bboxes = _map_boxes(instances.bboxes, resize_map)
    if 'masks' in instances:
        mapped.masks = _map_masks(instances.masks, resize_map)
    return mapped


def _map_boxes(boxes: Tensor | BaseBoxes, resize_map: ResizeMap) -> Tensor | BaseBoxes:
    if isinstance(boxes, BaseBoxes):
        scaled = boxes.clone()
        scaled.rescale_(resize_map.scale_xy)
        return scaled
    if not isinstance(boxes, Tensor):
        raise TypeRefusal(
            f'boxes must be a tensor or boxes of mmdet, got {type(boxes).__name__}: torch.from_numpy makes one'
        )
    return scale_boxes(boxes, resize_map)


def _map_masks(masks: Any, resize_map: ResizeMap) -> Any:
    if isinstance(masks, Tensor):
        return resize_labels(masks, resize_map)
    if not hasattr(masks, 'height'):
        raise TypeRefusal(f'masks must be BitmapMasks, PolygonMasks or a tensor, got {type(masks).__name__}')
    if (masks.height, masks.width) != resize_map.src_hw:
        raise Refusal(
            f'masks must have the size of their image, {resize_map.src_hw} (h, w), got {(masks.height, masks.width)}'
        )
    if isinstance(masks, BitmapMasks):
        # Not BitmapMasks.resize: its nearest neighbour is that of a pixel's corner, half a pixel off the image's grid.
        bitmaps = torch.from_numpy(masks.masks.reshape(-1, *resize_map.src_hw))
        mapped = BitmapMasks([], *resize_map.dst_hw)
        mapped.masks = resize_labels(bitmaps, resize_map).numpy()  # its constructor would copy them
        return mapped
    if isinstance(masks, PolygonMasks):
        return masks.resize(resize_map.dst_hw)
    raise Refusal(f'masks must be BitmapMasks, PolygonMasks or a tensor, got {type(masks).__name__}')
