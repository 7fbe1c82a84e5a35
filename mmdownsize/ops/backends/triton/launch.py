"""The Triton back end of :func:`mmdownsize.ops.downsize`: its call, its gradient, and when it can be used.

Triton comes with PyTorch's builds for CUDA. It is imported when it is first asked for, with the kernels (``kernels.py``),
which it compiles for the GPU at hand. With ``TRITON_INTERPRET=1`` in the environment from the start it runs them on a CPU
instead, slowly, as the tests do.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops import coefficients as tilts
from mmdownsize.ops.backends import refusal as refusals
from mmdownsize.ops.backends.refusal import Limits
from mmdownsize.ops.neighborhood import Neighborhood, Texture

CHANNELS = 16  # of a feature map, as in kernels.py
MAX_DEPTH = 2  # what a third convolution reads, 5 x 5 positions a pixel, is too much to make again for every pixel
# 9 * 7 numbers of a patch, 8 x 8 neighbours: what registers hold, none spilled.
LIMITS = Limits(channels=CHANNELS, depth=MAX_DEPTH, image_channels=7, neighbors=64)
MAX_OFFSET = 2**31 - 1  # inside an image or one of its maps: kernels count in 32 bits there, images in 64
# How work is cut, from the registers that the compiler says kernels take (benchmarks/triton_resources.py): not measured.
BLOCK, MIN_BLOCK, BLOCK_TAPS = 32, 16, 1024  # output pixels a program, and at most so many times neighbours
WARPS, MANY_TAPS, MANY_WARPS = 4, 16, 8  # warps a program, and with more neighbours than that
STAGES = 1  # loads are not begun a turn of a loop ahead: that would take the registers of another program
PROGRAMS = 256  # that share the gradients of the convolutions' weights; a fixed number, as sums depend on it


def unavailable() -> str | None:
    """Return why Triton cannot be used on this machine, or None if it can."""
    if importlib.util.find_spec('triton') is None:
        return "it needs Triton, which comes with PyTorch's builds for CUDA; or: pip install triton"
    return None


@cache
def _kernels() -> ModuleType:
    return importlib.import_module('mmdownsize.ops.backends.triton.kernels')


def refusal(images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None) -> str | None:
    """Return why :func:`downsize` cannot take a problem, or None if it can. Arguments are those of :func:`downsize`."""
    reason = refusals.refusal(LIMITS, images, around, static_logits, texture)
    if reason is not None:
        return reason
    source = sum((size - 1) * stride for size, stride in zip(images.shape[1:], images.stride()[1:]))
    largest = max(source, max(CHANNELS, len(static_logits)) * static_logits[0].numel())
    if largest > MAX_OFFSET:
        return f'it is made for images and maps of up to {MAX_OFFSET} numbers, not {largest}'
    interpreted = os.environ.get('TRITON_INTERPRET') == '1'
    if images.device.type == 'cuda' or interpreted:
        reason = unavailable()
        if reason is not None:
            return reason
    if images.device.type != 'cuda' and not (interpreted and _kernels().INTERPRETED):
        return f'it runs on a GPU, the images are on {images.device}'
    return None


def _power_of_two(number: int) -> int:
    """Return the least power of two that is not below."""
    return 1 << (number - 1).bit_length()


@dataclass(frozen=True)
class _Call:
    """What the kernels need besides tensors that may have a gradient."""

    around: Neighborhood
    normalize: str
    depth: int
    shift: float
    gain: float
    trains: bool

    @property
    def block(self) -> int:
        """The number of output pixels a program."""
        taps = _power_of_two(len(self.around.rows) * len(self.around.cols))
        return max(MIN_BLOCK, min(BLOCK, BLOCK_TAPS // taps))

    def grid(self) -> tuple[Tensor, ...]:
        """Return the tensors that say where everything is, as the kernels take them."""
        a = self.around
        return tuple(t.contiguous() for t in (a.top, a.left, a.rows, a.cols, a.weights_y, a.weights_x))

    def by_coefficients(self) -> dict[str, Any]:
        """Return what a kernel with coefficients is compiled for."""
        taps_y, taps_x = len(self.around.rows), len(self.around.cols)
        taps = taps_y * taps_x
        return {
            'DEPTH': self.depth,
            'TAPS_Y': taps_y,
            'TAPS_X': taps_x,
            'KERNEL': self.around.kernel,
            'NORMALIZE': self.normalize,
            'SOFTNESS': tilts.SOFTNESS,
            'LIMIT': tilts.LOGIT_LIMIT,
            'ODDS': tilts.odds(taps, self.around.weights_y if self.around.kernel else None),
            'T': _power_of_two(taps),
            'B': self.block,
            'num_warps': MANY_WARPS if taps > MANY_TAPS else WARPS,
            'num_stages': STAGES,
        }

    def by_colors(self, colors: int) -> dict[str, int]:
        """Return what a kernel with convolutions is compiled for."""
        return {'COLORS': colors, 'F': max(MIN_BLOCK, _power_of_two(9 * colors))}

    def forward(
        self, images: Tensor, static_logits: Tensor, parameters: list[Tensor], out: Tensor, features: Tensor | None
    ) -> None:
        """Fill ``out``, (N, C, h, w), and ``features``, (N, h, w, 16). parameters: to_logits, weights, biases, or none."""
        h, w = static_logits.shape[1:]
        _kernels().forward[(-(-h * w // self.block), len(images))](
            out,
            features,
            images,
            *self.grid(),
            static_logits.contiguous(),
            *self._one_by_one(parameters),
            *images.shape[2:],
            h,
            w,
            *images.stride(),
            self.shift,
            self.gain,
            **self.by_colors(images.shape[1]),
            **self.by_coefficients(),
        )

    def logits_backward(
        self, images: Tensor, static_logits: Tensor, to_logits: Tensor | None, features: Tensor | None, grad: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the gradient of the static logits, and with a texture three more.

        These are of to_logits, of the last bias and of the features, (N, h, w, 16).
        """
        count, h, w = static_logits.shape
        blocks = -(-h * w // self.block)
        grad_static_logits = torch.empty_like(static_logits, memory_format=torch.contiguous_format)
        others: list[Tensor] = []
        if features is not None:
            shapes = ((blocks, count, CHANNELS), (blocks, CHANNELS), features.shape)
            others = [static_logits.new_empty(shape) for shape in shapes]
        _kernels().logits_backward[(blocks,)](
            grad_static_logits,
            *(others if others else (None, None, None)),
            grad,
            features,
            images,
            *self.grid(),
            static_logits.contiguous(),
            to_logits,
            len(images),
            h,
            w,
            *images.stride(),
            *grad.stride(),
            COLORS=images.shape[1],
            LEAK=tilts.LEAK,
            **self.by_coefficients(),
        )
        return grad_static_logits, [others[0].sum(0), others[1].sum(0), others[2]] if others else []

    def texture_backward(
        self, images: Tensor, parameters: list[Tensor], grad_features: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradients of the convolutions' weights, and of all biases but the last."""
        n, colors, src_h, src_w = images.shape
        h, w = grad_features.shape[1:3]
        positions = 9 if self.depth == 2 else 1  # where the last convolution reads what the first has made
        sums = positions, min(PROGRAMS, n * -(-h * w // BLOCK))
        first = images.new_empty((*sums, CHANNELS, colors, 3, 3), dtype=torch.float32)
        second = [first.new_empty((*sums, CHANNELS)), first.new_empty((*sums, CHANNELS, CHANNELS))][
            : 2 * self.depth - 2
        ]
        _kernels().texture_backward[sums[::-1]](
            first,
            *(second if second else (None, None)),
            grad_features,
            images,
            *self.grid()[:2],
            *self._one_by_one(parameters)[1:4],
            n,
            src_h,
            src_w,
            h,
            w,
            *images.stride(),
            self.shift,
            self.gain,
            DEPTH=self.depth,
            B=BLOCK,
            num_warps=WARPS,
            num_stages=STAGES,
            **self.by_colors(colors),
        )
        weights, biases = [first.sum((0, 1))], []
        if second:
            biases.append(second[0].sum((0, 1)))
            by_position = second[1].sum(1)  # (9, 16 in, 16 out)
            weights.append(by_position.permute(2, 1, 0).reshape(CHANNELS, CHANNELS, 3, 3))
        return weights, biases

    def _one_by_one(self, parameters: list[Tensor]) -> list[Tensor | None]:
        """Return to_logits, and weight and bias of either convolution; None for what there is not."""
        to_logits, weights, biases = parameters[:1], parameters[1 : 1 + self.depth], parameters[1 + self.depth :]
        whole = [p.contiguous() for p in (*to_logits, *(part for pair in zip(weights, biases) for part in pair))]
        return [*whole, *[None] * (1 + 2 * MAX_DEPTH - len(whole))]


class _Downsize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, images: Tensor, static_logits: Tensor, *parameters: Tensor) -> Tensor:
        n, c = images.shape[:2]
        h, w = static_logits.shape[1:]
        out = static_logits.new_empty((n, c, h, w))
        features = static_logits.new_empty((n, h, w, CHANNELS)) if parameters and call.trains else None
        if out.numel():
            call.forward(images, static_logits, list(parameters), out, features)
        ctx.call = call
        ctx.save_for_backward(images, static_logits, features, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        images, static_logits, features, *parameters = ctx.saved_tensors
        if not grad.numel():
            return None, None, *(torch.zeros_like(t) for t in (static_logits, *parameters))
        to_logits = parameters[0].contiguous() if parameters else None
        grad_static_logits, others = call.logits_backward(images, static_logits, to_logits, features, grad)
        if not others:
            return None, None, grad_static_logits
        grad_to_logits, last_bias, grad_features = others
        weights, biases = call.texture_backward(images, parameters, grad_features)
        return None, None, grad_static_logits, grad_to_logits, *weights, *biases, last_bias


def downsize(
    images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None, normalize: str
) -> Tensor:
    """Do what :func:`mmdownsize.ops.downsize` does, for a problem that :func:`refusal` returns None for.

    Args:
        images: (N, C, H, W), float32, half precision or uint8, on an NVIDIA GPU.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
        normalize: One of ``NORMALIZATIONS``.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Differentiable in ``static_logits`` and ``texture``, once.
        It and its gradients are the same in every run on one machine, to the last bit.
    """
    depth = 0 if texture is None else len(texture.weights)
    shift, gain = (0.0, 1.0) if texture is None else (texture.shift, texture.gain)
    parameters = [] if texture is None else [texture.to_logits, *texture.weights, *texture.biases]
    trains = torch.is_grad_enabled() and any(t.requires_grad for t in (static_logits, *parameters))
    call = _Call(around, normalize, depth, shift, gain, trains)
    # A launch goes to the current device, wherever the tensors are.
    with torch.cuda.device_of(images):  # type: ignore[no-untyped-call]
        out: Tensor = _Downsize.apply(call, images, static_logits, *parameters)  # type: ignore[no-untyped-call]
    return out if images.dtype == torch.uint8 else out.to(images.dtype)
