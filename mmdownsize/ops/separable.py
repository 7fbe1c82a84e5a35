"""Resizing along one axis after the other, with weights that do not depend on the image.

:func:`resize` is what callers want: it takes PyTorch's own operator, or compiled code, where that is the same and faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize.ops.backends import native_separable
from mmdownsize.ops.grid import neighbor_indices
from mmdownsize.ops.kernels import Kernel, axis_weights, get_kernel
from mmdownsize.ops.lengths import Length, are_known
from mmdownsize.ops.recording import is_tracing

# PyTorch's name of a kernel, and whether it is its antialiased form.
_TORCH = {
    'nearest': ('nearest-exact', False),
    'bilinear': ('bilinear', False),
    'triangle': ('bilinear', True),
    'bicubic': ('bicubic', False),
    'bicubic_antialias': ('bicubic', True),
}
_LANCZOS = {'lanczos_antialias': ('lanczos', True)}  # newer versions have it
_FEW_PIXELS = ('nearest', 'bilinear', 'bicubic')  # read few of the source pixels, and PyTorch no others


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


def resize(images: Tensor, dst_hw: Sequence[Length], kernel: str) -> Tensor:
    """Resize images with a fixed kernel.

    Args:
        images: (N, C, H, W), of any dtype.
        dst_hw: Target size (h, w) in px.
        kernel: Name of the kernel, see :data:`mmdownsize.ops.KERNELS`.

    Returns:
        (N, C, h, w), float64 for float64 images, else float32: half precision holds 0..255 in steps of 1, and so would sums.
        Differentiable in ``images``.
    """
    if images.dtype != torch.uint8:
        images = images.to(torch.promote_types(images.dtype, torch.float32))
    if kernel not in _FEW_PIXELS and native_separable.refusal(images) is None:
        return native_separable.resize(images, (int(dst_hw[0]), int(dst_hw[1])), kernel)
    if images.dtype == torch.uint8 and not is_tracing():
        # One image at a time: a float copy of all of them is four times their size.
        singles = [_resize(image[None].float(), dst_hw, kernel) for image in images]
        return torch.cat(singles) if singles else images.new_empty((0, images.shape[1], *dst_hw), dtype=torch.float32)
    return _resize(images.to(torch.promote_types(images.dtype, torch.float32)), dst_hw, kernel)


def _resize(images: Tensor, dst_hw: Sequence[Length], kernel: str) -> Tensor:
    if images.shape[0] == 0:  # not len(), which would fix the batch of a recording
        return images.new_empty((0, images.shape[1], *dst_hw))
    mode, antialias = _torch_mode(kernel, images)
    # PyTorch 2.13 repeats the first row in an antialiased resize to a width of 1. And runtimes differ in what they make of
    # ONNX's Resize, so that it is not exported as such.
    if mode is not None and not torch.onnx.is_in_onnx_export() and not (antialias and dst_hw[1] == 1):
        return F.interpolate(images, size=tuple(dst_hw), mode=mode, antialias=antialias)
    return resample(images, *(axis_of(get_kernel(kernel), s, d, images) for s, d in zip(images.shape[2:], dst_hw)))


def _torch_mode(kernel: str, images: Tensor) -> tuple[str | None, bool]:
    if kernel in _LANCZOS and images.device.type == 'cpu' and not is_tracing() and _has_lanczos():
        return _LANCZOS[kernel]
    return _TORCH.get(kernel, (None, False))


@cache
def _has_lanczos() -> bool:
    mode, antialias = _LANCZOS['lanczos_antialias']
    try:
        F.interpolate(torch.zeros(1, 1, 2, 2), size=(1, 2), mode=mode, antialias=antialias)
    except (NotImplementedError, ValueError, RuntimeError):
        return False
    return True


def resample(images: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Resize images: first their rows, then their columns.

    Args:
        images: (N, C, H, W), floating point.
        rows: The axis of length H.
        cols: The axis of length W.

    Returns:
        (N, C, h, w), dtype of ``images``. Differentiable in ``images``.
    """
    if rows.block and cols.block and not torch.onnx.is_in_onnx_export():
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
        out = torch.addcmul(out, images.index_select(dim, index), weight.view(shape))
    return out


def by_neighbor(values: Tensor, dim: int, axis: Axis) -> Tensor:
    """Return the values of every output pixel's neighbours along one axis: ``dim`` becomes (K, dst)."""
    sides = (*values.shape[:dim], *axis.weights.shape, *values.shape[dim + 1 :])
    return values.index_select(dim, axis.indices.flatten()).view(sides)
