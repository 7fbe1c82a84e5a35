"""The compiled back end of :func:`mmdownsize.ops.importance.importance_resize`: its call, its gradient, and when it can be used.

The library's sources are ``csrc/importance*``; :mod:`mmdownsize.ops.compiled` loads it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops import compiled
from mmdownsize.ops.recording import is_tracing
from mmdownsize.ops.separable import Axis

if TYPE_CHECKING:
    from mmdownsize.ops.importance import Score

# As in csrc/importance.cpp.
MAX_DEPTH, MAX_IMAGE_CHANNELS, MAX_CHANNELS = 3, 16, 64
MAX_LIMIT = 60.0  # sums of exp(limit) stay inside float32

_int, _float, _pointer = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class _Problem(ctypes.Structure):
    """``Problem`` of csrc/importance.cpp."""

    _fields_ = (
        *((name, _int) for name in ('batch', 'channels', 'src_h', 'src_w', 'dst_h', 'dst_w')),
        *((name, _int) for name in ('depth', 'width', 'scores', 'taps_y', 'taps_x', 'means_y', 'means_x', 'threads')),
        ('dilation', _int * MAX_DEPTH),
        *((name, _float) for name in ('shift', 'gain', 'limit')),
        *((name, _pointer) for name in ('images', 'bytes', 'rows', 'cols', 'weights_y', 'weights_x')),
        *((name, _pointer) for name in ('to_score', 'tone')),
        *((name, _pointer * MAX_DEPTH) for name in ('weight', 'bias')),
        *((name, _pointer) for name in ('out', 'total', 'grad_out', 'grad_to_score', 'grad_tone')),
        *((name, _pointer * MAX_DEPTH) for name in ('grad_weight', 'grad_bias')),
    )


LIBRARY = compiled.Library(
    'mmdownsize.ops.backends._importance', 'mmdownsize_importance', _Problem, ' of ImportanceResizer'
)
unavailable, instructions = LIBRARY.unavailable, LIBRARY.instructions


def refusal(images: Tensor, score: Score, parameters: Sequence[Tensor]) -> str | None:
    """Return why :func:`resize` cannot take a problem, or None if it can. Arguments are those of :func:`resize`."""
    if is_tracing():
        return 'a graph is being traced'
    if any(t.device.type != 'cpu' for t in (images, *parameters)):
        elsewhere = next(t.device for t in (images, *parameters) if t.device.type != 'cpu')
        return f'it runs on a CPU, and tensors are on {elsewhere}'
    checks = (_types, _shapes, _beyond)
    reason = next((found for check in checks if (found := check(images, score, parameters))), None)
    if reason is None:
        reason = unavailable()
        if reason is not None:
            LIBRARY.warn_of_absence(reason)
    return reason


def _types(images: Tensor, score: Score, parameters: Sequence[Tensor]) -> str | None:
    other = next((t for t in (images, *parameters) if type(t) not in (Tensor, torch.nn.Parameter)), None)
    if other is not None:
        return f'it takes plain tensors, not {type(other).__name__}'
    if images.dtype not in (torch.float32, torch.uint8):
        return f'it reads float32 and uint8 images, these are {images.dtype}'
    dtype = next((t.dtype for t in parameters if t.dtype != torch.float32), score.dtype)
    if dtype != torch.float32:
        return f'it computes in float32, the convolutions are {dtype}'
    if images.requires_grad and torch.is_grad_enabled():
        return 'it has no gradient of the images'
    return None


def _shapes(images: Tensor, score: Score, parameters: Sequence[Tensor]) -> str | None:
    # The library would read past the end of a tensor that is too small.
    to_score = parameters[-2]
    depth, channels, width = len(score.dilations), images.shape[1], to_score.shape[1]
    scores = channels if len(to_score) > 1 else 1
    wanted = [(width, channels if i == 0 else width, 3, 3) for i in range(depth)]
    shapes = [shape for weight in wanted for shape in (weight, (width,))] + [(scores, width), (scores,)]
    found = [tuple(p.shape) for p in parameters]
    if found != shapes or not depth or not channels:
        return f'parameters {found} do not fit {depth} convolutions of images {tuple(images.shape)}'
    return None


def _beyond(images: Tensor, score: Score, parameters: Sequence[Tensor]) -> str | None:
    for found, limit, things in (
        (len(score.dilations), MAX_DEPTH, 'up to {} convolutions'),
        (images.shape[1], MAX_IMAGE_CHANNELS, 'images of up to {} channels'),
        (len(parameters[0]), MAX_CHANNELS, 'convolutions of up to {} channels'),
        (score.limit, MAX_LIMIT, 'scores up to {}'),
    ):
        if found > limit:
            return f'it is made for {things.format(limit)}, not {found}'
    return None


@dataclass(frozen=True)
class _Call:
    """The arguments of a call besides tensors that may have a gradient."""

    score: Score
    axes: Sequence[Axis]
    instructions: int
    trains: bool

    def run(self, name: str, images: Tensor, parameters: Sequence[Tensor], **tensors: Any) -> None:
        """Call a function of the library. parameters: as :meth:`Score.of` has them."""
        *convolutions, to_score, tone = parameters
        rows, cols = self.axes
        problem = _Problem(
            **dict(zip(('batch', 'channels', 'src_h', 'src_w'), images.shape)),
            dst_h=rows.indices.shape[1],
            dst_w=cols.indices.shape[1],
            depth=len(convolutions) // 2,
            width=to_score.shape[1],
            scores=to_score.shape[0],
            taps_y=rows.indices.shape[0],
            taps_x=cols.indices.shape[0],
            means_y=bool(rows.block),
            means_x=bool(cols.block),
            threads=torch.get_num_threads(),
            dilation=(_int * MAX_DEPTH)(*self.score.dilations),
            shift=self.score.shift,
            gain=self.score.gain,
            limit=self.score.limit,
        )
        kept = []  # a pointer does not keep a contiguous copy alive

        def address(tensor: Tensor) -> int:
            kept.append(tensor.detach().contiguous())
            return kept[-1].data_ptr()

        single = dict(
            rows=rows.indices,
            cols=cols.indices,
            weights_y=rows.weights,
            weights_x=cols.weights,
            to_score=to_score,
            tone=tone,
            **{'bytes' if images.dtype == torch.uint8 else 'images': images},
        )
        several = dict(weight=convolutions[::2], bias=convolutions[1::2])
        for key, value in {**single, **several, **tensors}.items():
            if isinstance(value, list):
                for i, tensor in enumerate(value):
                    getattr(problem, key)[i] = address(tensor)
            elif value is not None:
                setattr(problem, key, address(value))
        LIBRARY.run(name, problem, self.instructions)


class _Resize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, images: Tensor, *parameters: Tensor) -> Tensor:
        n, c = images.shape[:2]
        dst_hw = [axis.indices.shape[1] for axis in call.axes]
        out = images.new_empty((n, c, *dst_hw), dtype=torch.float32)
        total = out.new_empty((n, len(parameters[-1]), *dst_hw)) if call.trains else None
        call.run('mmdownsize_importance_forward', images, list(parameters), out=out, total=total)
        ctx.call = call
        if call.trains:
            ctx.save_for_backward(images, out.clone(), total, *parameters)  # the caller may change its own
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, out, total, *parameters = ctx.saved_tensors
        grads = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
        ctx.call.run(
            'mmdownsize_importance_backward',
            images,
            parameters,
            out=out,
            total=total,
            grad_out=grad,
            grad_to_score=grads[-2],
            grad_tone=grads[-1],
            grad_weight=grads[:-2:2],
            grad_bias=grads[1:-2:2],
        )
        return None, None, *grads


def resize(
    images: Tensor,
    score: Score,
    parameters: Sequence[Tensor],
    axes: Sequence[Axis],
    instruction_set: int | None = None,
) -> Tensor:
    """Do what ``importance_resize`` does, for a problem that :func:`refusal` returns None for.

    Args:
        images: (N, C, H, W), float32 or uint8, on a CPU.
        score: How a pixel's score is computed.
        parameters: Its tensors, as :meth:`Score.of` has them, float32.
        axes: Of the kernel, for H and W; float32, without negative weights.
        instruction_set: A key of ``compiled.INSTRUCTIONS`` up to :func:`instructions`, which is the default.

    Returns:
        (N, C, h, w), float32. Differentiable in ``parameters``, once. It and its gradients do not depend on the number of
        threads, to the last bit.
    """
    # Asked here: inside the function weights require a gradient even where none will be computed.
    trains = torch.is_grad_enabled() and any(p.requires_grad for p in parameters)
    call = _Call(score, axes, instructions() if instruction_set is None else instruction_set, trains)
    out: Tensor = _Resize.apply(call, images, *parameters)  # type: ignore[no-untyped-call]
    return out
