"""Reading an image some whole pixels off."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def read_shifted(images: Tensor, read_offset_yx: Sequence[int], fill: int | None = None) -> Tensor:
    """Read every pixel some pixels further: ``out[..., y, x] = images[..., y + dy, x + dx]``.

    With an offset above 0 the content moves up and to the left.

    Args:
        images: (..., H, W), any dtype.
        read_offset_yx: (dy, dx) in px, integers of either sign.
        fill: What is read beyond the image's sides. None: the edge pixel.

    Returns:
        (..., H, W), same dtype. Differentiable in ``images``.

    Example:
        >>> read_shifted(torch.tensor([[1, 2, 3]]), (0, 1)), read_shifted(torch.tensor([[1, 2, 3]]), (0, -2), fill=0)
        (tensor([[2, 3, 3]]), tensor([[0, 0, 1]]))
    """
    for dim, by in zip((-2, -1), read_offset_yx, strict=True):
        if not by:
            continue
        side = images.shape[dim]
        wanted = torch.arange(side, device=images.device) + by
        inside = wanted.clamp(0, side - 1)
        images = images.index_select(dim, inside)
        if fill is not None:
            images = images.index_fill(dim, torch.nonzero(wanted != inside).flatten(), fill)
    return images
