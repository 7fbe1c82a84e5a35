"""Whether images are in the value range that a resizer was made for. Only what cannot be in it is found, never what may be."""

from __future__ import annotations

import torch
from torch import Tensor

# Parts of the range. Pipelines change brightness, contrast and saturation of float images without cutting them to 0..255: a batch
# may leave the range by all of it.
ONE_GREY_LEVEL = 1 / 255
NORMALISED = 1 / 25  # a normalised image is in about -2.7..2.7, hardly a hundredth of 0..255
NEGATIVE = (
    1 / 5
)  # how far below the range pixels are where a mean was subtracted; mmdet's distortions go to 48 / 255 below
MANY = 1 / 8  # of the pixels are so far below


def is_outside(images: Tensor, value_range: tuple[float, float]) -> bool:
    """Return whether a batch cannot be in the range, such as 0..1, 0..65535 or normalised images for 0..255.

    Args:
        images: (N, C, H, W), any dtype. NaN and an empty or constant batch are not outside.
        value_range: (lowest, highest) value of the images.
    """
    if not images.numel():
        return False
    lowest, highest = value_range
    extent = highest - lowest
    low, high = (float(end) for end in torch.aminmax(images))
    if high > highest + extent or low < lowest - extent:
        return True
    if low == high or not images.is_floating_point():
        return False
    unit = high <= lowest + 2 * ONE_GREY_LEVEL * extent
    normalised = low < lowest - ONE_GREY_LEVEL * extent and high <= lowest + NORMALISED * extent
    if unit or normalised:
        return bool((images != images.round()).any())  # a black photograph has whole values
    return low < lowest - NEGATIVE * extent and bool((images < lowest - NEGATIVE * extent).float().mean() > MANY)
