"""What a preprocessor is given, checked at the door: batches, images, samples, and what the downsizer makes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmdownsize.refusal import Refusal, TypeRefusal


def check_batch(data: Any) -> None:
    """Check that a batch has images.

    Raises:
        TypeError: If it is no dict with ``inputs``.
    """
    if not isinstance(data, Mapping) or 'inputs' not in data:
        found = f'a dict of {sorted(data)}' if isinstance(data, Mapping) else type(data).__name__
        raise TypeRefusal(f"a batch must be a dict with 'inputs' and 'data_samples', got {found}")


def check_images(images: Any, mean: Tensor | None = None) -> None:
    """Check images by their shapes and dtypes.

    Args:
        images: What is given as ``inputs``.
        mean: The parent's, one value a channel or a single one, if it normalises.

    Raises:
        TypeError: If they are no tensors, or their dtype is neither uint8 nor floating point.
        ValueError: If there are none, or their rank or channels are wrong, or one has no pixels.
    """
    stacked = isinstance(images, Tensor)
    if not stacked and not (isinstance(images, Sequence) and all(isinstance(image, Tensor) for image in images)):
        raise TypeRefusal(f'inputs must be a tensor or a list of tensors, got {type(images).__name__}')
    for image in [images] if stacked else images:
        if image.ndim != (4 if stacked else 3):
            wanted = '(N, C, H, W)' if stacked else '(C, H, W) each'
            raise Refusal(f'images must be {wanted}, got {tuple(image.shape)}')
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise TypeRefusal(f'images must be uint8 or floating point in 0..255, got {image.dtype}')
        if 0 in image.shape[-3:]:
            raise Refusal(f'images must have channels and pixels, got {tuple(image.shape)}')
    if len(images) == 0:
        raise Refusal(f'a batch must have at least one image, got inputs={images!r}')
    channels = sorted({image.shape[-3] for image in images})
    if len(channels) > 1:
        raise Refusal(f'images of a batch must have the same number of channels, got {channels}')
    if mean is not None and len(mean) > 1 and channels[0] not in (1, len(mean)):
        raise Refusal(f'images have {channels[0]} channels, mean and std have {len(mean)}: give as many')


def check_samples(samples: Any, count: int, training: bool) -> None:
    """Check that there is a data sample an image; none at all will do when not training.

    Raises:
        TypeError: If one is no data sample.
        ValueError: If there are none in training, or too few or too many.
    """
    if samples is None:
        if training:
            raise Refusal('training needs data_samples, one an image, got None')
        return
    if not isinstance(samples, Sequence):
        raise TypeRefusal(f'data_samples must be a list of data samples, got {type(samples).__name__}')
    for sample in samples:
        if not isinstance(sample, BaseDataElement):
            raise TypeRefusal(f'data_samples must be data samples, such as PackDetInputs makes, got {sample!r}')
    if len(samples) != count:
        raise Refusal(f'one data sample an image is needed, got {len(samples)} for {count} images')


def check_one_size(images: Tensor | Sequence[Tensor]) -> None:
    """Check that images can be stacked.

    Raises:
        ValueError: If they differ in shape.
    """
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) > 1:
        raise Refusal(f'images of a batch must have one size, got {sorted(sizes)}: resize or crop in the pipeline')


def check_resized(images: Tensor, out: Any, dst_hw: tuple[int, int], name: str) -> None:
    """Check what a downsizer has made of images.

    NaN and infinite pixels are looked for here, in a small image, where that costs next to nothing, and only where there
    can be any: uint8 cannot hold them. A pixel that no output depends on goes unnoticed, and does no harm.

    Args:
        images: (N, C, H, W), what it was given.
        out: What it gave.
        dst_hw: Size (h, w) in px that it was asked for.
        name: The downsizer's, for the message.

    Raises:
        ValueError: If it is not (N, C, h, w), or not finite because ``images`` are not.
    """
    wanted = (*images.shape[:2], *dst_hw)
    if not isinstance(out, Tensor) or tuple(out.shape) != wanted:
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise Refusal(f'{name} must make {wanted} (N, C, h, w) of the images, got {found}')
    if images.is_floating_point() and not out.isfinite().all() and not images.isfinite().all():
        where = (~images.isfinite()).nonzero()
        value = images[tuple(where[0])].item()
        raise Refusal(
            f'images must be finite, in 0..255, got {value} at (n, c, y, x) = {tuple(where[0].tolist())}, and {len(where)} '
            'such values in all: look for a division or a logarithm in the pipeline'
        )


def check_divisor(name: str, value: Any) -> None:
    """Check what padded sides are to be multiples of.

    Raises:
        ValueError: If it is no whole number of at least 1.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise Refusal(f'{name} must be a whole number of at least 1 px, got {value!r}')


def is_range(value: Any) -> bool:
    """Whether something is a pair of finite numbers above 0, in order."""
    pair = isinstance(value, Sequence) and len(value) == 2
    return pair and all(isinstance(end, Real) for end in value) and 0 < value[0] <= value[1] < math.inf
