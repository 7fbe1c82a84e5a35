"""An importance for every source pixel, from the texture around it, and the resize that it weighs.

    f   = ReLU(conv3x3(... ReLU(conv3x3(image)) ...))     texture, at every source pixel
    s   = to_score(f) + tone * brightness                 one number a source pixel, or one for each of its channels
    w   = exp(limit * tanh(s / limit))                    above 0
    out = R(w * image) / R(w)                             R: any fixed kernel without negative weights
    out = K(image) + R(w * image) / R(w) - R(image)       around another kernel K, which may have some

Normalised convolution (Knutsson and Westin 1993) with a learned certainty; LIP (Gao et al. 2019) is the same inside a network.
Back ends, which agree up to rounding:

``native``
    Compiled code over source rows that stay in a core's cache, forward and backward (``backends/csrc``). On a CPU, in float32.
``banded``
    PyTorch's operators over bands of source rows. The backward pass computes a band again: nothing of full resolution is kept.
``dense``
    Plain operators over whole maps: for recording, gradients of gradients, and as the reference of the other two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops.backends import native_importance
from mmdownsize.ops.bands import Band, cut
from mmdownsize.ops.kernels import get_kernel
from mmdownsize.ops.rank import brightness
from mmdownsize.ops.recording import is_tracing
from mmdownsize.ops.separable import Axis, axis_of, resize, weighted_mean
from mmdownsize.refusal import Refusal

BACKENDS = ('auto', 'native', 'banded', 'dense')


@dataclass(frozen=True)
class Score:
    """How a pixel's score is computed, apart from the tensors.

    Attributes:
        dilations: Of each 3x3 convolution, in px; its zero padding is the same.
        limit: Scores end at ±limit, smoothly.
        shift: Subtracted from the images first.
        gain: Multiplied with the images after that.
        dtype: Type in which the convolutions are computed.
    """

    dilations: tuple[int, ...]
    limit: float
    shift: float
    gain: float
    dtype: torch.dtype

    def of(self, images: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Return the logarithm of every pixel's importance.

        Args:
            images: (N, C, H, W), float32 or float64.
            parameters: Weights (C_out, C_in, 3, 3) and bias (C_out,) of each convolution in turn; ``to_score`` (S, C_out); and
                ``tone`` (S,).

        Returns:
            (N, S, H, W), dtype of ``images``, inside ±limit.
        """
        *convolutions, to_score, tone = parameters
        scaled = (images - self.shift) * self.gain
        features = scaled.to(self.dtype)
        if features.device.type == 'cpu' and not is_tracing():
            features = features.contiguous(memory_format=torch.channels_last)
        for i, dilation in enumerate(self.dilations):
            weight, bias = (p.to(self.dtype) for p in convolutions[2 * i : 2 * i + 2])
            features = F.relu(F.conv2d(features, weight, bias, padding=dilation, dilation=dilation))
        # A matrix product: a 1x1 convolution to so few channels takes a slow way on a CPU.
        by_texture = (features.permute(0, 2, 3, 1) @ to_score.to(self.dtype).T).permute(0, 3, 1, 2).to(images.dtype)
        score = by_texture + tone.to(images.dtype)[:, None, None] * brightness(scaled)
        return self.limit * torch.tanh(score / self.limit)


def importance_resize(
    images: Tensor,
    score: Score,
    parameters: Sequence[Tensor],
    dst_hw: tuple[int, int],
    *,
    kernel: str = 'area',
    around: str | None = None,
    backend: str = 'auto',
) -> Tensor:
    """Resize images with a fixed kernel whose source pixels are weighed by their importance.

    Args:
        images: (N, C, H, W), floating point or uint8.
        score: How a pixel's score is computed.
        parameters: Its tensors, see :meth:`Score.of`.
        dst_hw: Target size (h, w) in px.
        kernel: Name of a kernel R without negative weights.
        around: Name of any kernel K, and the result is ``K(image)`` and what the importance adds to ``R(image)``. None: R.
        backend: ``'native'``, ``'banded'``, ``'dense'``, or ``'auto'``: native where it can, else banded. While a graph is
            recorded, banded becomes dense.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Without ``around``: inside the range of each output pixel's
        neighbours, for any parameters. Differentiable in the parameters and, with ``'banded'`` and ``'dense'``, in the images;
        twice with ``'dense'`` only.

    Raises:
        ValueError: If ``backend`` is unknown, or ``backend='native'`` cannot be used here: says why.
    """
    if backend not in BACKENDS:
        raise Refusal(f'unknown backend {backend!r}, choose one of {", ".join(BACKENDS)}')
    exact = images.new_empty(0, dtype=torch.float64 if images.dtype == torch.float64 else torch.float32)
    axes = [axis_of(get_kernel(kernel), src, dst, exact) for src, dst in zip(images.shape[2:], dst_hw)]
    out = _weighted(images, score, parameters, axes, backend)
    if around is not None:
        out = out + (resize(images, dst_hw, around) - resize(images, dst_hw, kernel))
    return out.to(torch.float32 if images.dtype == torch.uint8 else images.dtype)


def _weighted(images: Tensor, score: Score, parameters: Sequence[Tensor], axes: list[Axis], backend: str) -> Tensor:
    """Return ``R(w * images) / R(w)``, in the dtype of the axes."""
    if backend in ('auto', 'native'):
        reason = native_importance.refusal(images, score, parameters)
        if reason is None:
            return native_importance.resize(images, score, parameters, axes)
        if backend == 'native':
            raise Refusal(f"backend='native' cannot be used here: {reason}; backend='auto' takes another one")
    if backend != 'dense' and not is_tracing():  # bands are cut for one size
        out: Tensor = _Banded.apply(score, axes, images, *parameters)  # type: ignore[no-untyped-call]
        return out
    pixels = images.to(axes[0].weights.dtype)
    return weighted_mean(pixels, score.of(pixels, parameters).exp(), *axes)


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, score: Score, axes: list[Axis], images: Tensor, *parameters: Tensor) -> Tensor:
        ctx.score, ctx.axes = score, axes
        ctx.save_for_backward(images, *parameters)
        rows, cols = axes
        out = rows.weights.new_empty((*images.shape[:2], rows.indices.shape[1], cols.indices.shape[1]))
        for band, inside in _bands(score, rows, images, parameters):
            pixels = images[band.images, :, band.source].to(out.dtype)
            weights = score.of(pixels, parameters)[:, :, inside].exp()
            out[band.images, :, band.target] = weighted_mean(
                pixels[:, :, inside], weights, rows.part(band.target), cols
            )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        score, (rows, cols) = ctx.score, ctx.axes
        images, *parameters = ctx.saved_tensors
        wanted = ctx.needs_input_grad[2:]
        by_images = torch.zeros_like(images, dtype=grad.dtype) if wanted[0] else None
        leaves = [p.detach().requires_grad_(needed) for p, needed in zip(parameters, wanted[1:])]
        trained = [leaf for leaf in leaves if leaf.requires_grad]
        sums = [torch.zeros_like(leaf, dtype=torch.promote_types(leaf.dtype, torch.float32)) for leaf in trained]
        for band, inside in _bands(score, rows, images, parameters):
            with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
                pixels = images[band.images, :, band.source].detach().to(grad.dtype).requires_grad_(wanted[0])
                weights = score.of(pixels, leaves)[:, :, inside].exp()
                out = weighted_mean(pixels[:, :, inside], weights, rows.part(band.target), cols)
                inputs = [*trained, *([pixels] if wanted[0] else [])]
                found = torch.autograd.grad(out, inputs, grad[band.images, :, band.target])
            for total, gradient in zip(sums, found):
                total += gradient
            if by_images is not None:
                by_images[band.images, :, band.source] += found[-1]
        by_leaf = iter(sums)
        by_parameter = (next(by_leaf).to(p.dtype) if needed else None for p, needed in zip(parameters, wanted[1:]))
        return None, None, None if by_images is None else by_images.to(images.dtype), *by_parameter


def _bands(score: Score, rows: Axis, images: Tensor, parameters: Sequence[Tensor]) -> Iterator[tuple[Band, slice]]:
    """Yield each band, and which of its source rows output rows are made of. The others only the convolutions see."""
    channels = max(images.shape[1], *(len(p) for p in parameters))
    row_bytes = images.shape[3] * channels * score.dtype.itemsize
    for band in cut(images, rows.indices[0], rows.indices[-1], sum(score.dilations), row_bytes):
        span = rows.span(band.target)
        yield band, slice(span.start - band.source.start, span.stop - band.source.start)
