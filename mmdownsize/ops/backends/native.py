"""The compiled back end of :func:`mmdownsize.ops.downsize`: its call, its gradient, and when it can be used.

The library's sources are in ``csrc``; :mod:`mmdownsize.ops.compiled` loads it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops import coefficients as tilts
from mmdownsize.ops import compiled
from mmdownsize.ops.backends import refusal as refusals
from mmdownsize.ops.backends.refusal import Limits
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing

CHANNELS = 16  # of a feature map: the lanes of the kernels
MAX_DEPTH = 4
LIMITS = Limits(channels=CHANNELS, depth=MAX_DEPTH, image_channels=16, neighbors_an_axis=64)  # as in csrc/downsize.cpp

_int, _float, _pointer = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class _Problem(ctypes.Structure):
    """``Problem`` of csrc/downsize.cpp."""

    _fields_ = (
        *((name, _int) for name in ('batch', 'channels', 'src_h', 'src_w', 'dst_h', 'dst_w')),
        *((name, _int) for name in ('depth', 'taps_y', 'taps_x', 'normalize', 'kernel', 'threads')),
        *((name, _float) for name in ('shift', 'gain', 'softness', 'leak', 'limit', 'odds')),
        *((name, _pointer) for name in ('images', 'bytes', 'top', 'left', 'rows', 'cols', 'weights_y', 'weights_x')),
        *((name, _pointer) for name in ('static_logits', 'to_logits')),
        *((name, _pointer * MAX_DEPTH) for name in ('weight', 'bias')),
        *((name, _pointer) for name in ('out', 'features', 'grad_out', 'grad_static_logits', 'grad_to_logits')),
        *((name, _pointer * MAX_DEPTH) for name in ('grad_weight', 'grad_bias')),
    )


LIBRARY = compiled.Library('mmdownsize.ops.backends._native', 'mmdownsize', _Problem)
unavailable, instructions = LIBRARY.unavailable, LIBRARY.instructions


def refusal(images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None) -> str | None:
    """Return why :func:`downsize` cannot take a problem, or None if it can. Arguments are those of :func:`downsize`."""
    if images.device.type != 'cpu' and not is_tracing():
        return f'it runs on a CPU, the images are on {images.device}'
    reason = refusals.refusal(LIMITS, images, around, static_logits, texture)
    if reason is not None:
        return reason
    if len(around.cols) % 2:
        return f'it takes an even number of neighbours along x, not {len(around.cols)}'
    reason = unavailable()
    if reason is not None:
        LIBRARY.warn_of_absence(reason)
    return reason


@dataclass(frozen=True)
class _Call:
    """The arguments of a call besides tensors that may have a gradient."""

    around: Neighborhood
    normalize: str
    shift: float
    gain: float
    instructions: int
    trains: bool

    def run(self, name: str, images: Tensor, static_logits: Tensor, parameters: list[Tensor], **tensors: Any) -> None:
        """Call a function of the library. parameters: to_logits, weights, biases, or none."""
        around, depth = self.around, (len(parameters) - 1) // 2 if parameters else 0
        count = len(static_logits)
        problem = _Problem(
            **dict(zip(('batch', 'channels', 'src_h', 'src_w'), images.shape)),
            dst_h=static_logits.shape[1],
            dst_w=static_logits.shape[2],
            depth=depth,
            taps_y=len(around.rows),
            taps_x=len(around.cols),
            normalize=tilts.NORMALIZATIONS[self.normalize],
            kernel=around.kernel,
            threads=torch.get_num_threads(),
            shift=self.shift,
            gain=self.gain,
            softness=tilts.SOFTNESS,
            leak=tilts.LEAK,
            limit=tilts.LOGIT_LIMIT,
            odds=tilts.odds(count, around.weights_y if around.kernel else None),
        )
        kept = []  # a pointer does not keep a contiguous copy alive

        def point(to: Any, key: Any, tensor: Tensor) -> None:
            kept.append(tensor.detach().contiguous())
            if isinstance(key, int):
                to[key] = kept[-1].data_ptr()
            else:
                setattr(to, key, kept[-1].data_ptr())

        for key in ('top', 'left', 'rows', 'cols', 'weights_y', 'weights_x'):
            point(problem, key, getattr(around, key))
        point(problem, 'bytes' if images.dtype == torch.uint8 else 'images', images)
        point(problem, 'static_logits', static_logits)
        if depth:
            point(problem, 'to_logits', parameters[0])
            for i in range(depth):
                point(problem.weight, i, parameters[1 + i])
                point(problem.bias, i, parameters[1 + depth + i])
        for key, value in tensors.items():
            if isinstance(value, list):
                for i, tensor in enumerate(value):
                    point(getattr(problem, key), i, tensor)
            elif value is not None:
                point(problem, key, value)
        LIBRARY.run(name, problem, self.instructions)


class _Downsize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, images: Tensor, static_logits: Tensor, *parameters: Tensor) -> Tensor:
        n, c = images.shape[:2]
        h, w = static_logits.shape[1:]
        out = images.new_empty((n, c, h, w), dtype=torch.float32)
        features = out.new_empty((n, h, w, CHANNELS)) if parameters and call.trains else None
        call.run('mmdownsize_forward', images, static_logits, list(parameters), out=out, features=features)
        ctx.call = call
        ctx.save_for_backward(images, static_logits, features, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, static_logits, features, *parameters = ctx.saved_tensors
        depth = (len(parameters) - 1) // 2 if parameters else 0
        grad_static_logits = torch.zeros_like(static_logits, memory_format=torch.contiguous_format)
        grads = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
        ctx.call.run(
            'mmdownsize_backward',
            images,
            static_logits,
            parameters,
            features=features,
            grad_out=grad,
            grad_static_logits=grad_static_logits,
            grad_to_logits=grads[0] if grads else None,
            grad_weight=grads[1 : 1 + depth],
            grad_bias=grads[1 + depth :],
        )
        return None, None, grad_static_logits, *grads


def downsize(
    images: Tensor,
    around: Neighborhood,
    static_logits: Tensor,
    texture: Texture | None,
    normalize: str,
    instruction_set: int | None = None,
) -> Tensor:
    """Do what :func:`mmdownsize.ops.downsize` does, for a problem that :func:`refusal` returns None for.

    Args:
        images: (N, C, H, W), float32, half precision or uint8, on a CPU.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
        normalize: One of ``NORMALIZATIONS``.
        instruction_set: A key of ``compiled.INSTRUCTIONS`` up to :func:`instructions`, which is the default.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Differentiable in ``static_logits`` and ``texture``, once.
        It and its gradients do not depend on the number of threads, to the last bit.
    """
    parameters = [] if texture is None else [texture.to_logits, *texture.weights, *texture.biases]
    call = _Call(
        around,
        normalize,
        0.0 if texture is None else texture.shift,
        1.0 if texture is None else texture.gain,
        instructions() if instruction_set is None else instruction_set,
        # Asked here: inside the function weights require a gradient even where none will be computed.
        torch.is_grad_enabled() and any(t.requires_grad for t in (static_logits, *parameters)),
    )
    source = images if images.dtype == torch.uint8 else images.float()
    out: Tensor = _Downsize.apply(call, source, static_logits, *parameters)  # type: ignore[no-untyped-call]
    return out if images.dtype == torch.uint8 else out.to(images.dtype)
