"""The compiled back end of :func:`mmdownsize.ops.downsize`: its call, its gradient, and when it can be used.

The library is built with the package where there is a C++ compiler (``csrc``, ``setup.py``) and called through ctypes: it
knows neither Python nor PyTorch, so it outlives their versions, and a package without it works as before, slower.
"""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops import coefficients as tilts
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing

LIBRARY = 'mmdownsize.ops.backends._native'
NORMALIZATIONS = {'none': 0, 'softmax': 1, 'sigmoid': 2}
CHANNELS = 16  # of a feature map: the lanes of the kernels
MAX_DEPTH, MAX_IMAGE_CHANNELS, MAX_TAPS = 4, 16, 64  # as in csrc/downsize.cpp
INSTRUCTIONS = {0: 'any', 1: 'AVX2', 2: 'AVX-512'}

_int, _float, _pointer = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class _Problem(ctypes.Structure):
    """``Problem`` of csrc/downsize.cpp."""

    _fields_ = (
        *((name, _int) for name in ('batch', 'channels', 'src_h', 'src_w', 'dst_h', 'dst_w')),
        *((name, _int) for name in ('depth', 'taps_y', 'taps_x', 'normalize', 'kernel', 'threads')),
        *((name, _float) for name in ('shift', 'gain', 'softness', 'leak', 'limit', 'odds')),
        *((name, _pointer) for name in ('images', 'bytes', 'top', 'left', 'rows', 'cols', 'weights_y', 'weights_x')),
        *((name, _pointer) for name in ('base', 'to_logits')),
        *((name, _pointer * MAX_DEPTH) for name in ('weight', 'bias')),
        *((name, _pointer) for name in ('out', 'features', 'grad_out', 'grad_base', 'grad_to_logits')),
        *((name, _pointer * MAX_DEPTH) for name in ('grad_weight', 'grad_bias')),
    )


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """Return the library, or None and why there is none."""
    spec = importlib.util.find_spec(LIBRARY)
    if spec is None or spec.origin is None:
        return None, 'it was not compiled; with a C++ compiler, install mmdownsize again: pip install --no-deps -e .'
    try:
        library = ctypes.CDLL(spec.origin)
    except OSError as error:
        return None, f'it cannot be loaded: {error}'
    library.mmdownsize_problem_bytes.restype = _int
    if library.mmdownsize_problem_bytes() != ctypes.sizeof(_Problem):
        return None, 'it was compiled from other sources; install mmdownsize again: pip install --no-deps -e .'
    return library, ''


def unavailable() -> str | None:
    """Return why the library cannot be used on this machine, or None if it can."""
    library, reason = _load()
    return reason if library is None else None


def instructions() -> int:
    """Return the number of the best instruction set of this machine: a key of ``INSTRUCTIONS``."""
    library, reason = _load()
    if library is None:
        raise RuntimeError(f'no compiled back end: {reason}')
    return int(library.mmdownsize_instructions())


@cache
def _warn_of_absence(reason: str) -> None:
    warnings.warn(f'the compiled back end is missing and a slower one is used: {reason}', stacklevel=2)


def refusal(images: Tensor, around: Neighborhood, base: Tensor, texture: Texture | None) -> str | None:
    """Return why :func:`downsize` cannot take this, or None if it can."""
    parameters = [base, around.weights_y, around.weights_x]
    if texture is not None:
        parameters += [texture.to_logits, *texture.weights, *texture.biases]
    if is_tracing():
        return 'a graph is being traced'
    if any(t.device.type != 'cpu' for t in (images, *parameters)):
        return f'it runs on a CPU, the images are on {images.device}'
    if any(type(t) not in (Tensor, torch.nn.Parameter) for t in (images, *parameters)):
        return f'it takes plain tensors, not {type(images).__name__}'
    if images.dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.uint8):
        return f'it computes in float32, the images are {images.dtype}'
    other = next((t.dtype for t in parameters if t.dtype != torch.float32), None)
    if other is not None:
        return f'it computes in float32, the weights are {other}'
    if images.requires_grad and torch.is_grad_enabled():
        return 'it has no gradient of the images'
    if texture is not None and any(len(w) != CHANNELS for w in texture.weights):
        return f'it is made for {CHANNELS} channels, not {len(texture.weights[0])}'
    if texture is not None and len(texture.weights) > MAX_DEPTH:
        return f'it is made for up to {MAX_DEPTH} convolutions, not {len(texture.weights)}'
    if images.shape[1] > MAX_IMAGE_CHANNELS:
        return f'it is made for images of up to {MAX_IMAGE_CHANNELS} channels, not {images.shape[1]}'
    if len(around.cols) % 2:
        return f'it takes an even number of neighbours along x, not {len(around.cols)}'
    if max(len(around.rows), len(around.cols)) > MAX_TAPS:
        return f'it is made for up to {MAX_TAPS} neighbours an axis, not {max(len(around.rows), len(around.cols))}'
    reason = unavailable()
    if reason is not None:
        _warn_of_absence(reason)
        return reason
    return None


@dataclass(frozen=True)
class _Call:
    """What a call needs besides tensors that may have a gradient."""

    around: Neighborhood
    normalize: str
    shift: float
    gain: float
    instructions: int
    trains: bool

    def run(self, name: str, images: Tensor, base: Tensor, parameters: list[Tensor], **tensors: Any) -> None:
        """Call a function of the library. parameters: to_logits, weights, biases, or none."""
        around, depth = self.around, (len(parameters) - 1) // 2 if parameters else 0
        count = len(base)
        problem = _Problem(
            **dict(zip(('batch', 'channels', 'src_h', 'src_w'), images.shape)),
            dst_h=base.shape[1],
            dst_w=base.shape[2],
            depth=depth,
            taps_y=len(around.rows),
            taps_x=len(around.cols),
            normalize=NORMALIZATIONS[self.normalize],
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
        point(problem, 'base', base)
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
        library, _ = _load()
        assert library is not None
        if getattr(library, name)(ctypes.byref(problem), self.instructions):
            raise MemoryError(f'{name}: not enough memory')


class _Downsize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, images: Tensor, base: Tensor, *parameters: Tensor) -> Tensor:
        n, c = images.shape[:2]
        h, w = base.shape[1:]
        out = images.new_empty((n, c, h, w), dtype=torch.float32)
        features = out.new_empty((n, h, w, CHANNELS)) if parameters and call.trains else None
        call.run('mmdownsize_forward', images, base, list(parameters), out=out, features=features)
        ctx.call = call
        ctx.save_for_backward(images, base, features, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, base, features, *parameters = ctx.saved_tensors
        depth = (len(parameters) - 1) // 2 if parameters else 0
        grad_base = torch.zeros_like(base, memory_format=torch.contiguous_format)
        grads = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
        ctx.call.run(
            'mmdownsize_backward',
            images,
            base,
            parameters,
            features=features,
            grad_out=grad,
            grad_base=grad_base,
            grad_to_logits=grads[0] if grads else None,
            grad_weight=grads[1 : 1 + depth],
            grad_bias=grads[1 + depth :],
        )
        return None, None, grad_base, *grads


def downsize(
    images: Tensor,
    around: Neighborhood,
    base: Tensor,
    texture: Texture | None,
    normalize: str,
    instruction_set: int | None = None,
) -> Tensor:
    """Do what :func:`mmdownsize.ops.downsize` does, for arguments that :func:`refusal` has nothing against.

    Args:
        images: See there, as for all others.
        around: See there.
        base: See there.
        texture: See there.
        normalize: See there.
        instruction_set: A key of ``INSTRUCTIONS`` up to :func:`instructions`, which is the default.

    Returns:
        (N, C, h, w), see there. Differentiable in ``base`` and ``texture``, once. Does not depend on the
        number of threads, to the last bit, and neither do its gradients.
    """
    parameters = [] if texture is None else [texture.to_logits, *texture.weights, *texture.biases]
    call = _Call(
        around,
        normalize,
        0.0 if texture is None else texture.shift,
        1.0 if texture is None else texture.gain,
        instructions() if instruction_set is None else instruction_set,
        # Asked here, as inside the function weights need a gradient also where none will be taken.
        torch.is_grad_enabled() and any(t.requires_grad for t in (base, *parameters)),
    )
    source = images if images.dtype == torch.uint8 else images.float()
    out: Tensor = _Downsize.apply(call, source, base, *parameters)  # type: ignore[no-untyped-call]
    return out if images.dtype == torch.uint8 else out.to(images.dtype)
