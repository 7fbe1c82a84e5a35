"""The darkest or the brightest source pixel of every output pixel: a rank filter at any scale."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdownsize.ops.kernels import get_kernel
from mmdownsize.ops.lengths import Length, are_known
from mmdownsize.ops.separable import Axis, axis_of, by_neighbor


def brightness(images: Tensor) -> Tensor:
    """Return the mean of the channels, (N, 1, H, W): it needs no order of colours and no number of channels."""
    return images.mean(1, keepdim=True)


def extreme(images: Tensor, dst_hw: tuple[int, int], *, brightest: bool) -> Tensor:
    """Give every output pixel the darkest, or brightest, of the source pixels that it overlaps; all channels of that one.

    Args:
        images: (N, C, H, W), floating point.
        dst_hw: Target size (h, w) in px. When upsizing, an output pixel overlaps one or two source pixels an axis.
        brightest: The brightest; else the darkest. Of equal ones the leftmost, and of these the topmost.

    Returns:
        (N, C, h, w). Differentiable in ``images``.
    """
    level, pixels = brightness(images) * (1 if brightest else -1), images
    for dim, dst in zip((2, 3), dst_hw):
        level, pixels = _highest(level, pixels, dim, axis_of(get_kernel('area'), images.shape[dim], dst, images))
    return pixels


def _highest(level: Tensor, pixels: Tensor, dim: int, axis: Axis) -> tuple[Tensor, Tensor]:
    """Return, along one axis, the level and the pixel of every output pixel's neighbour whose level is highest."""
    shape = [1] * pixels.ndim
    shape[dim] = -1
    apart = _apart(axis, pixels.shape[dim])
    if not are_known(axis.weights.shape[0]):  # recorded for any number of neighbours: all of them at once
        levels, by_tap = (by_neighbor(t, dim, axis) for t in (level, pixels))
        levels = levels.masked_fill(apart.view(*apart.shape, *[1] * (pixels.ndim - dim - 1)), -torch.inf)
        best = levels.argmax(dim, keepdim=True).expand(*by_tap.shape[:dim], 1, *by_tap.shape[dim + 1 :])
        return levels.amax(dim), by_tap.gather(dim, best).select(dim, 0)
    found: tuple[Tensor, Tensor] | None = None
    for index, no_overlap in zip(axis.indices, apart):
        own = level.index_select(dim, index).masked_fill(no_overlap.view(shape), -torch.inf)
        own_pixels = pixels.index_select(dim, index)
        if found is None:
            found = own, own_pixels
        else:
            better = own > found[0]
            found = torch.where(better, own, found[0]), torch.where(better, own_pixels, found[1])
    assert found is not None
    return found


def soft_extreme(images: Tensor, dst_hw: tuple[int, int], *, brightest: bool, softness: float) -> Tensor:
    """Give every output pixel the mean of the source pixels that it overlaps, weighted by ``exp(±brightness / softness)``.

    Args:
        images: (N, C, H, W), floating point.
        dst_hw: Target size (h, w) in px.
        brightest: Bright pixels count more; else dark ones.
        softness: In values of the images, above 0. Towards 0 it is :func:`extreme`, towards infinity the area kernel.

    Returns:
        (N, C, h, w). Differentiable in ``images``.
    """
    level = brightness(images) * (1 if brightest else -1)
    sums, total = images, torch.ones_like(level)  # weights are counted from the highest level: none can overflow
    for dim, dst in zip((2, 3), dst_hw):
        axis = axis_of(get_kernel('area'), images.shape[dim], dst, images)
        shape = (*axis.weights.shape, *[1] * (images.ndim - dim - 1))
        levels = by_neighbor(level, dim, axis).masked_fill(_apart(axis, images.shape[dim]).view(shape), -torch.inf)
        level = levels.detach().amax(dim)  # the result does not depend on it
        weights = ((levels - level.unsqueeze(dim)) / softness).exp() * axis.weights.view(shape)
        sums, total = ((weights * by_neighbor(t, dim, axis)).sum(dim) for t in (sums, total))
    return sums / total


def _apart(axis: Axis, src: Length) -> Tensor:
    """Return (K, dst), whether an output pixel does not overlap a neighbour. By area it does by a multiple of ``1 / src``."""
    return axis.weights * src < 0.5
