"""Boxes and points under a resize."""

from __future__ import annotations

from torch import Tensor

from mmdownsize.geometry.resize_map import ResizeMap
from mmdownsize.refusal import Refusal


def _floating(coordinates: Tensor) -> Tensor:
    # In whole numbers a scale of 0.5 would be 0.
    return coordinates if coordinates.is_floating_point() else coordinates.float()


def scale_points(points: Tensor, resize_map: ResizeMap) -> Tensor:
    """Map points.

    Args:
        points: (..., 2) as (x, y) in px of the source frame; whole numbers become float32.
        resize_map: The resize.

    Returns:
        Same shape, px of the target frame; a new tensor.

    Raises:
        ValueError: If the last axis is not 2.
    """
    if points.shape[-1] != 2:
        raise Refusal(f'points must be (..., 2), got {tuple(points.shape)}')
    points = _floating(points)
    return points * points.new_tensor(resize_map.scale_xy)


def scale_boxes(boxes: Tensor, resize_map: ResizeMap) -> Tensor:
    """Map axis-aligned boxes.

    Args:
        boxes: (..., 4) as (x1, y1, x2, y2) edges in px of the source frame; whole numbers become float32.
        resize_map: The resize.

    Returns:
        Same shape, px of the target frame; a new tensor, not clipped.

    Raises:
        ValueError: If the last axis is not 4.
    """
    if boxes.shape[-1] != 4:
        raise Refusal(f'boxes must be (..., 4) as x1, y1, x2, y2, got {tuple(boxes.shape)}')
    boxes = _floating(boxes)
    return boxes * boxes.new_tensor(resize_map.scale_xy * 2)
