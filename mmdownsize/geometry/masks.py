"""Label maps under a resize."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdownsize.geometry.resize_map import ResizeMap
from mmdownsize.geometry.selection import select_labels
from mmdownsize.refusal import Refusal, TypeRefusal


def _nearest(src: int, dst: int, device: torch.device) -> Tensor:
    # floor((o + 1/2) * src / dst) in whole numbers
    return ((2 * torch.arange(dst, device=device) + 1) * src).div(2 * dst, rounding_mode='floor')


def resize_labels(labels: Tensor, resize_map: ResizeMap) -> Tensor:
    """Resize a map of labels, or of any values that must not be mixed, by the nearest pixel centre.

    Args:
        labels: (..., H, W), any dtype.
        resize_map: The resize; its source size must be (H, W).

    Returns:
        (..., h, w), same dtype; a new tensor.

    Raises:
        TypeError: If ``labels`` is not a tensor.
        ValueError: If the size of ``labels`` is not the source size.
    """
    if not isinstance(labels, Tensor):
        raise TypeRefusal(f'a label map must be a tensor, got {type(labels).__name__}: torch.from_numpy makes one')
    if tuple(labels.shape[-2:]) != resize_map.src_hw:
        raise Refusal(
            f'a label map must have the size of its image, {resize_map.src_hw} (h, w), got {tuple(labels.shape[-2:])}'
        )
    rows, cols = (_nearest(s, d, labels.device) for s, d in zip(resize_map.src_hw, resize_map.dst_hw))
    return select_labels(labels, rows, cols)
