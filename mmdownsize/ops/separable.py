"""Resizing along one axis after the other, with weights that do not depend on the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize.ops.grid import neighbor_indices
from mmdownsize.ops.kernels import Kernel, axis_weights
from mmdownsize.ops.lengths import Length, are_known


@dataclass(frozen=True)
class Axis:
    """The output pixels of one axis: which source pixels each is made of, and their weights.

    Attributes:
        indices: (K, dst) int64 in [0, src), rising along the first axis.
        weights: (K, dst), each column with sum 1.
        block: B if every output pixel is the plain mean of B source pixels of its own, in order; else 0.
    """

    indices: Tensor
    weights: Tensor
    block: int = 0

    def span(self, target: slice) -> slice:
        """Return the source pixels that some output pixels are made of."""
        return slice(int(self.indices[0, target.start]), int(self.indices[-1, target.stop - 1]) + 1)

    def part(self, target: slice) -> Axis:
        """Return the axis for some output pixels alone, on a source that is their :meth:`span`."""
        return Axis(self.indices[:, target] - self.span(target).start, self.weights[:, target], self.block)


def axis_of(kernel: Kernel, src: Length, dst: Length, like: Tensor) -> Axis:
    """Return a kernel's axis, on the device and in the dtype of ``like``."""
    if are_known(src, dst) and kernel.name == 'area' and src % dst == 0:
        block = src // dst  # exactly these: the kernel's number of neighbours is even, and may be one more
        return Axis(
            torch.arange(src, device=like.device).view(dst, block).T, like.new_full((block, dst), 1 / block), block
        )
    weights = axis_weights(kernel, src, dst)
    return Axis(neighbor_indices(src, dst, weights.shape[0]).to(like.device), weights.to(like))


def resample(images: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Resize images: first their rows, then their columns.

    Args:
        images: (N, C, H, W), of any dtype.
        rows: The axis of length H.
        cols: The axis of length W.

    Returns:
        (N, C, h, w), dtype of the axes. Differentiable in ``images``.
    """
    if rows.block and cols.block and images.dtype == rows.weights.dtype and not torch.onnx.is_in_onnx_export():
        return F.avg_pool2d(images, (rows.block, cols.block))
    return resample_axis(resample_axis(images, 2, rows), 3, cols)


def weighted_mean(images: Tensor, weights: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Resize with a weight for each source pixel besides the kernel R's: ``R(weights * images) / R(weights)``.

    Args:
        images: (N, C, H, W), floating point.
        weights: (N, 1, H, W) or (N, C, H, W), above 0.
        rows: The kernel's axis of length H, without negative weights.
        cols: Its axis of length W.

    Returns:
        (N, C, h, w): inside the range of each output pixel's neighbours. Differentiable in both.
    """
    sums = resample(torch.cat([weights * images, weights], 1), rows, cols)
    return sums[:, : images.shape[1]] / sums[:, images.shape[1] :]


def resample_axis(images: Tensor, dim: int, axis: Axis) -> Tensor:
    """Resize images along one axis: :func:`resample`."""
    weights, indices = axis.weights, axis.indices
    if not are_known(weights.shape[0]):  # recorded for any number of neighbours: all of them at once
        return (by_neighbor(images, dim, axis) * weights.view(*weights.shape, *[1] * (images.ndim - dim - 1))).sum(dim)
    shape = [1] * images.ndim
    shape[dim] = -1
    out = images.index_select(dim, indices[0]) * weights[0].view(shape)
    for index, weight in zip(indices[1:], weights[1:]):
        out = torch.addcmul(out, images.index_select(dim, index).to(out.dtype), weight.view(shape))
    return out


def by_neighbor(values: Tensor, dim: int, axis: Axis) -> Tensor:
    """Return the values of every output pixel's neighbours along one axis: ``dim`` becomes (K, dst)."""
    sides = (*values.shape[:dim], *axis.weights.shape, *values.shape[dim + 1 :])
    return values.index_select(dim, axis.indices.flatten()).view(sides)
