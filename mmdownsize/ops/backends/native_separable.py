"""The compiled back end of :func:`mmdownsize.ops.separable.resize`: its call, its gradient, and when it can be used.

The library's sources are ``csrc/separable*``; :mod:`mmdownsize.ops.compiled` loads it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from mmdownsize.ops import compiled
from mmdownsize.ops.grid import neighbor_indices
from mmdownsize.ops.kernels import axis_weights, get_kernel
from mmdownsize.ops.recording import is_tracing

ALONE = 1 << 17  # products: below, starting other threads takes longer than the work

_int, _pointer = ctypes.c_int64, ctypes.c_void_p


class _Problem(ctypes.Structure):
    """``Problem`` of csrc/separable.cpp."""

    _fields_ = (
        *((name, _int) for name in ('batch', 'channels', 'src_h', 'src_w', 'dst_h', 'dst_w')),
        *((name, _int) for name in ('stride_n', 'stride_c', 'stride_y', 'interleaved', 'taps_y', 'taps_x', 'threads')),
        *((name, _pointer) for name in ('images', 'bytes', 'first_y', 'first_x', 'weights_y', 'weights_x', 'out')),
    )


LIBRARY = compiled.Library('mmdownsize.ops.backends._separable', 'mmdownsize_separable', _Problem, ' of fixed kernels')
unavailable, instructions = LIBRARY.unavailable, LIBRARY.instructions


@dataclass(frozen=True, eq=False)
class Table:
    """The pixels of one axis, each a weighted sum of neighbours that follow each other.

    Attributes:
        first: (dst,) int64, the first neighbour, never falling.
        weights: (dst, K) float32, of the neighbours from there on; 0 where there are fewer.
        src: How many source pixels there are.
    """

    first: Tensor
    weights: Tensor
    src: int

    @cached_property
    def transposed(self) -> Table:
        """The axis of the gradient: for each source pixel, the pixels that it is part of."""
        dst, taps = self.weights.shape
        at = torch.arange(dst)[:, None].expand(dst, taps)[self.weights != 0]
        source = (self.first[:, None] + torch.arange(taps))[self.weights != 0]
        lowest = torch.full((self.src,), dst).scatter_reduce(0, source, at, 'amin')
        lowest = (
            (lowest * (lowest < dst)).cummax(0).values
        )  # a pixel that is part of none has that of the one before it
        highest = lowest.scatter_reduce(0, source, at, 'amax')
        weights = torch.zeros(self.src, max(int((highest - lowest).max()) + 1, 1))
        weights[source, at - lowest[source]] = self.weights[self.weights != 0]
        return Table(lowest, weights, dst)


@lru_cache(maxsize=256)
def table(kernel: str, src: int, dst: int) -> Table:
    """Return a kernel's axis.

    Args:
        kernel: A name of :data:`mmdownsize.ops.KERNELS`.
        src: Length in source px.
        dst: Length in target px.
    """
    by_neighbor = axis_weights(get_kernel(kernel), src, dst)  # (K, dst) float64
    indices = neighbor_indices(src, dst, len(by_neighbor))  # rising; at the edges one may come more than once
    weights = torch.zeros(dst, len(by_neighbor), dtype=torch.float64)
    weights.scatter_add_(1, (indices - indices[0]).T, by_neighbor.T)
    used = weights != 0
    first = indices[0] + used.int().argmax(1)
    first = first.flip(0).cummin(0).values.flip(0)  # never falling, where a kernel is 0 at its end
    lead = first - indices[0]
    last = weights.shape[1] - 1 - used.flip(1).int().argmax(1)
    taps = int((last - lead).max()) + 1
    columns = lead[:, None] + torch.arange(taps)
    inside = columns <= last[:, None]
    kept = weights.gather(1, columns.clamp(max=weights.shape[1] - 1)) * inside
    return Table(first.contiguous(), kept.float().contiguous(), src)


def refusal(images: Tensor) -> str | None:
    """Return why :func:`resize` cannot take images, or None if it can."""
    if is_tracing():
        return 'a graph is being traced'
    if type(images) is not Tensor or torch._C._functorch.is_functorch_wrapped_tensor(images):
        return f'it takes plain tensors, not {type(images).__name__}'
    if images.device.type != 'cpu':
        return f'it runs on a CPU, the images are on {images.device}'
    if images.dtype not in (torch.float32, torch.uint8):
        return f'it reads float32 and uint8 images, these are {images.dtype}'
    if not images.numel():
        return 'there are no pixels'
    reason = unavailable()
    if reason is not None:
        LIBRARY.warn_of_absence(reason)
    return reason


def _run(images: Tensor, rows: Table, cols: Table, instruction_set: int) -> Tensor:
    (n, c, h, w), (dst_h, taps_y), (dst_w, taps_x) = images.shape, rows.weights.shape, cols.weights.shape
    interleaved = images.stride(1) == 1 and images.stride(3) == c and c > 1 and w > 1
    if not interleaved and (images.stride(3) != 1 and w > 1):
        images = images.contiguous()
    out = torch.empty((n, c, dst_h, dst_w))
    products = n * c * dst_h * (w * taps_y + dst_w * taps_x)
    problem = _Problem(
        batch=n,
        channels=c,
        src_h=h,
        src_w=w,
        dst_h=dst_h,
        dst_w=dst_w,
        stride_n=images.stride(0),
        stride_c=images.stride(1),
        stride_y=images.stride(2),
        interleaved=interleaved,
        taps_y=taps_y,
        taps_x=taps_x,
        threads=torch.get_num_threads() if products > ALONE else 1,
        first_y=rows.first.data_ptr(),
        first_x=cols.first.data_ptr(),
        weights_y=rows.weights.data_ptr(),
        weights_x=cols.weights.data_ptr(),
        out=out.data_ptr(),
        **{'bytes' if images.dtype == torch.uint8 else 'images': images.data_ptr()},
    )
    LIBRARY.run('mmdownsize_separable', problem, instruction_set)
    return out


class _Resize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, rows: Table, cols: Table, instruction_set: int) -> Tensor:
        ctx.axes, ctx.instruction_set = (rows, cols), instruction_set
        return _run(images.detach(), rows, cols, instruction_set)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # It is linear: its gradient is the transposed resize, which has a gradient in turn.
        rows, cols = ctx.axes
        by_images: Tensor = _Resize.apply(grad, rows.transposed, cols.transposed, ctx.instruction_set)  # type: ignore[no-untyped-call]
        return by_images, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        rows, cols = ctx.axes
        return _run(tangent, rows, cols, ctx.instruction_set)


def resize(images: Tensor, dst_hw: tuple[int, int], kernel: str, instruction_set: int | None = None) -> Tensor:
    """Do what ``separable.resize`` does, for images that :func:`refusal` returns None for.

    Args:
        images: (N, C, H, W), float32 or uint8, on a CPU; of any strides.
        dst_hw: Target size (h, w) in px.
        kernel: A name of :data:`mmdownsize.ops.KERNELS`.
        instruction_set: A key of ``compiled.INSTRUCTIONS`` up to :func:`instructions`, which is the default.

    Returns:
        (N, C, h, w), float32. Differentiable in ``images`` any number of times. It and its gradient do not depend on the
        number of threads, to the last bit.
    """
    rows, cols = (table(kernel, src, dst) for src, dst in zip(images.shape[2:], dst_hw))
    chosen = instructions() if instruction_set is None else instruction_set
    out: Tensor = _Resize.apply(images, rows, cols, chosen)  # type: ignore[no-untyped-call]
    return out
