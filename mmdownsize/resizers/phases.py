"""All that DownsizeNet needs of a pair of sizes and that does not depend on the image, made once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mmdownsize.ops import axis_weights, get_kernel, neighbor_indices, project, soften

DISTANCES: dict[str, Callable[[int], int]] = {
    'offset': lambda slots: 2,
    'bilinear': lambda slots: 4,
    'bicubic': lambda slots: 16,
    'area': lambda slots: slots * slots,
    'triangle': lambda slots: slots * slots,
}
"""Encodings of the relative distance, and how many channels they have for a grid of ``slots`` x ``slots`` coefficients."""


@dataclass(frozen=True)
class Phases:
    """Where a target grid lies on a source grid, pixel by pixel.

    Attributes:
        top: (h,) int64, source row of each output row's upper neighbour, clamped to the image.
        left: (w,) int64, source column of each output column's left neighbour.
        rows: (Ky, h) int64, source rows of the neighbours.
        cols: (Kx, w) int64, source columns of the neighbours.
        distances: (D, h, w), the relative-distance map; D is 0 without one.
        weights: (1, Ky * Kx, h, w), the kernel's coefficients; uniform without a kernel.
        prior: (1, Ky * Kx, h, w), what the logits tilt: the softened weights; uniform without a kernel.
    """

    top: Tensor
    left: Tensor
    rows: Tensor
    cols: Tensor
    distances: Tensor
    weights: Tensor
    prior: Tensor


def _outer(y: Tensor, x: Tensor) -> Tensor:
    return (y[:, None, :, None] * x[None, :, None, :]).flatten(0, 1)  # (Ky * Kx, h, w)


def _stretch_matrix(src: int, dst: int) -> Tensor:
    """Return the (dst, src) matrix of linear interpolation between two counts of samples over the same extent."""
    indices, weights = neighbor_indices(src, dst, 2), axis_weights(get_kernel('bilinear'), src, dst, 2)
    return torch.zeros(src, dst, dtype=torch.float64).scatter_add_(0, indices, weights).T


def slots_to_neighbors(values: Tensor, slots: int, phases: Phases) -> Tensor:
    """Stretch what belongs to a grid of slots over the neighbourhood.

    Args:
        values: (slots * slots, D), row-major.
        slots: Side of the grid.
        phases: Gives the neighbourhood's sides Ky and Kx.

    Returns:
        (Ky * Kx, D), linear in ``values`` and differentiable.
    """
    by_y, by_x = (_stretch_matrix(slots, len(side)).to(values) for side in (phases.rows, phases.cols))
    stretched = torch.einsum('kg,lm,gmd->kld', by_y, by_x, values.view(slots, slots, -1))
    return stretched.flatten(0, 1)


def _distance_axis(distance: str, src: int, dst: int, neighbors: int, slots: int) -> Tensor:
    if distance in ('bilinear', 'bicubic'):
        return axis_weights(get_kernel(distance), src, dst)
    weights = axis_weights(get_kernel(distance), src, dst, neighbors)  # (K, dst)
    return weights if neighbors == slots else _stretch_matrix(neighbors, slots) @ weights * (neighbors / slots)


def _distance_map(distance: str | None, axes: list[tuple[int, int, int]], slots: int) -> Tensor:
    if distance is None:
        (_, h, _), (_, w, _) = axes
        return torch.empty(0, h, w, dtype=torch.float64)
    if distance == 'offset':
        dy, dx = (project(src, dst)[1] for src, dst, _ in axes)
        return torch.stack([dx.expand(len(dy), -1), dy[:, None].expand(-1, len(dx))])
    return _outer(*(_distance_axis(distance, *axis, slots) for axis in axes))


@lru_cache(maxsize=16)  # maps of full size: few sizes come back, and many would fill the memory
def phases_of(
    start: str,
    distance: str | None,
    neighbors: int | str,
    slots: int,
    src_hw: tuple[int, int],
    dst_hw: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> Phases:
    """Return the phases of a pair of sizes.

    Args:
        start: A kernel's name, or ``'random'``.
        distance: One of ``DISTANCES``, or None.
        neighbors: Even number of neighbours an axis, or ``'auto'``.
        slots: Side of the grid of learned coefficients; equals ``neighbors`` if that is a number.
        src_hw: Source size (h, w) in px.
        dst_hw: Target size (h, w) in px.
        device: Where to put the tensors.
        dtype: Floating-point type of the maps.

    Returns:
        The phases. They are shared between calls and must not be changed.
    """
    # A tensor made inside torch.inference_mode could never be used in a training step later.
    with torch.inference_mode(False), torch.no_grad():
        auto = get_kernel('triangle')
        axes = [
            (src, dst, auto.neighbors(src, dst) if isinstance(neighbors, str) else neighbors)
            for src, dst in zip(src_hw, dst_hw)
        ]
        top, left = (project(src, dst)[0].clamp(0, src - 1) for src, dst, _ in axes)
        rows, cols = (neighbor_indices(src, dst, count) for src, dst, count in axes)
        if start == 'random':
            weights = torch.full((len(rows) * len(cols), *dst_hw), 1 / (len(rows) * len(cols)), dtype=torch.float64)
            prior = weights
        else:
            weights = _outer(*(axis_weights(get_kernel(start), *axis) for axis in axes))
            prior = soften(weights, 0)
        distances = _distance_map(distance, axes, slots)
        indices = (index.to(device) for index in (top, left, rows, cols))
        maps = (distances.to(device, dtype), *(m[None].to(device, dtype) for m in (weights, prior)))
        return Phases(*indices, *maps)
