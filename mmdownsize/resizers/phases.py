"""What DownsizeNet needs for a pair of sizes and does not depend on the image. It is made once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce

import torch
from torch import Tensor

from mmdownsize.ops import Neighborhood, axis_weights, get_kernel, is_tracing, neighbor_indices, project
from mmdownsize.ops.lengths import Length, are_known, larger

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
    """Where a target grid is on a source grid, pixel by pixel.

    Attributes:
        around: The neighbours of every output pixel, and the kernel's weights of them.
        distances_y: (Dy, h), what an output row's offset is encoded as; Dy is 0 without a distance map.
        distances_x: (Dx, w), the same for columns. The map's channels are all products of the two, in row-major order; of
            ``'offset'`` (which is (1, dy) and (1, dx)) only dx and dy.
    """

    around: Neighborhood
    distances_y: Tensor
    distances_x: Tensor


def _stretch_matrix(src: Length, dst: Length) -> Tensor:
    """Return the (dst, src) matrix of linear interpolation between two counts of samples over the same extent."""
    left, offset = project(src, dst)
    centres = (left + offset).clamp(0, src - 1)  # (dst,), the edge sample beyond the edge
    return (1 - (centres[:, None] - torch.arange(src)).abs()).clamp(min=0)


def slots_to_neighbors(values: Tensor, slots: int, around: Neighborhood) -> Tensor:
    """Stretch the values of a grid of slots over the neighbourhood.

    Args:
        values: (slots * slots, D), row-major.
        slots: Side of the grid.
        around: Gives the neighbourhood's sides Ky and Kx.

    Returns:
        (Ky * Kx, D), linear in ``values`` and differentiable.
    """
    by_y, by_x = (_stretch_matrix(slots, side.shape[0]).to(values) for side in (around.rows, around.cols))
    along_y = (by_y @ values.view(slots, -1)).view(-1, slots, values.shape[1])  # (Ky, slots, D)
    return (by_x @ along_y).flatten(0, 1)


def _distance_axis(distance: str | None, src: Length, dst: Length, neighbors: Length, slots: int) -> Tensor:
    if distance is None:
        return torch.empty(0, dst, dtype=torch.float64)
    if distance == 'offset':
        offset = project(src, dst)[1]
        return torch.stack([torch.ones_like(offset), offset])
    if distance in ('bilinear', 'bicubic'):
        return axis_weights(get_kernel(distance), src, dst)
    weights = axis_weights(get_kernel(distance), src, dst, neighbors)  # (K, dst)
    if are_known(neighbors) and neighbors == slots:
        return weights
    return _stretch_matrix(neighbors, slots) @ weights * (neighbors / slots)


def logits_by_distance(distance: str | None, weight: Tensor, bias: Tensor, phases: Phases) -> Tensor:
    """Return what a linear map makes of the relative-distance map.

    Args:
        distance: One of ``DISTANCES``, or None.
        weight: (K, D), D as ``DISTANCES`` says, 0 for None.
        bias: (K,).
        phases: Of the sizes at hand.

    Returns:
        (K, h, w). Differentiable in ``weight`` and ``bias``.
    """
    by_y, by_x = (side.to(weight.dtype) for side in (phases.distances_y, phases.distances_x))
    if distance is None:
        return bias[:, None, None].expand(-1, by_y.shape[1], by_x.shape[1])
    if distance == 'offset':  # dx and dy are the products 1 * dx and dy * 1
        weight = torch.nn.functional.pad(weight, (1, 1))
    # First along x, then along y: a product of two small matrices for every K, the map itself is never made.
    along_x = weight.reshape(-1, len(by_x)) @ by_x
    return by_y.T @ along_x.view(weight.shape[0], len(by_y), -1) + bias[:, None, None]


def auto_neighbors(start: str, src: Length, dst: Length) -> Length:
    """Return the neighbours of ``neighbors='auto'`` on an axis: all that the antialiasing triangle and the start reach."""
    kernels = ['triangle'] if start == 'random' else ['triangle', start]
    return reduce(larger, (get_kernel(kernel).neighbors(src, dst) for kernel in kernels))


@dataclass(frozen=True)
class PhaseSpec:
    """What phases depend on, besides where their tensors are.

    Attributes:
        start: A kernel's name, or ``'random'``.
        distance: One of ``DISTANCES``, or None.
        neighbors: Even number of neighbours an axis, or ``'auto'``.
        slots: Side of the grid of learned coefficients; equals ``neighbors`` if that is a number.
        src_hw: Source size (h, w) in px.
        dst_hw: Target size (h, w) in px.
    """

    start: str
    distance: str | None
    neighbors: int | str
    slots: int
    src_hw: tuple[Length, Length]
    dst_hw: tuple[Length, Length]

    @property
    def axes(self) -> list[tuple[Length, Length, Length]]:
        """Source length, target length and number of neighbours of the vertical and the horizontal axis."""
        return [
            (src, dst, auto_neighbors(self.start, src, dst) if isinstance(self.neighbors, str) else self.neighbors)
            for src, dst in zip(self.src_hw, self.dst_hw)
        ]


def phases_of(spec: PhaseSpec, device: torch.device, dtype: torch.dtype) -> Phases:
    """Return the phases of a pair of sizes. They are shared between calls: do not change them.

    Args:
        spec: What they depend on.
        device: Where to put the tensors.
        dtype: Floating-point type of the maps.
    """
    if is_tracing():  # a graph that is being recorded may leave sizes open, and has tensors of its own
        return _make(spec, device, dtype)
    return _kept(spec, device, dtype)


@lru_cache(maxsize=16)  # maps of full size: few sizes come back, and many would fill the memory
def _kept(spec: PhaseSpec, device: torch.device, dtype: torch.dtype) -> Phases:
    return _make(spec, device, dtype)


def _make(spec: PhaseSpec, device: torch.device, dtype: torch.dtype) -> Phases:
    # A tensor made inside torch.inference_mode could not be used in a training step later.
    with torch.inference_mode(False), torch.no_grad():
        axes, start = spec.axes, spec.start
        top, left = (project(src, dst)[0].clamp(0, src - 1) for src, dst, _ in axes)
        rows, cols = (neighbor_indices(src, dst, count) for src, dst, count in axes)
        if start == 'random':
            by_axis = [torch.ones(count, dst, dtype=torch.float64) / count for _, dst, count in axes]
        else:
            by_axis = [axis_weights(get_kernel(start), *axis) for axis in axes]
        around = Neighborhood(
            top=top.to(device),
            left=left.to(device),
            rows=rows.to(device),
            cols=cols.to(device),
            weights_y=by_axis[0].to(device, dtype),
            weights_x=by_axis[1].to(device, dtype),
            kernel=start != 'random',
        )
        distances = (_distance_axis(spec.distance, *axis, spec.slots).to(device, dtype) for axis in axes)
        return Phases(around, *distances)
