"""Texture features at selected pixels only: convolutions that never hold a full-resolution feature map.

A 16-channel map of a 1024x2048 image is 134 MB, and DownsizeNet reads only some of its pixels. So the convolutions run over
bands of source rows that fit a core's cache, and only the wanted pixels are kept. The backward pass computes a band again up
to the input of the last convolution, which costs most and is not repeated. Values equal those of the convolutions on the
whole image: every band overlaps its neighbours by one row a convolution, and rows that the cut changes are not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdownsize.ops.bands import Band, cut


@dataclass(frozen=True)
class _Plan:
    """How a texture is computed, apart from its tensors."""

    rows: Tensor
    cols: Tensor
    shift: float
    gain: float
    dtype: torch.dtype

    def bands(self, images: Tensor, depth: int, channels: int) -> Iterator[tuple[Band, Tensor]]:
        """Yield every band, and its output rows' source rows, counted from the band's first."""
        for band in cut(images, self.rows, self.rows, depth, images.shape[3] * channels * self.dtype.itemsize):
            yield band, self.rows[band.target] - band.source.start

    def pixels(self, images: Tensor, band: Band) -> Tensor:
        """Return a band of the images as the first convolution takes it."""
        pixels = (images[band.images, :, band.source] - self.shift) * self.gain
        return pixels.to(self.dtype).contiguous(memory_format=torch.channels_last)


def _inputs(pixels: Tensor, weights: list[Tensor], biases: list[Tensor]) -> list[Tensor]:
    """Return the inputs of all convolutions, the first of which is ``pixels``."""
    inputs = [pixels]
    for weight, bias in zip(weights[:-1], biases[:-1]):
        inputs.append(F.relu_(F.conv2d(inputs[-1], weight, bias, padding=1)))
    return inputs


class _SelectedTexture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, images: Tensor, *parameters: Tensor) -> Tensor:
        depth = len(parameters) // 2
        weights, biases = ([p.to(plan.dtype) for p in part] for part in (parameters[:depth], parameters[depth:]))
        channels = weights[-1].shape[0]
        out = images.new_empty((len(images), len(plan.rows), len(plan.cols), channels), dtype=plan.dtype)
        for band, rows in plan.bands(images, depth, channels):
            last = _inputs(plan.pixels(images, band), weights, biases)[-1]
            features = F.conv2d(last, weights[-1], biases[-1], padding=1).permute(0, 2, 3, 1)
            # The ReLU commutes with the selection and comes after it: less to do.
            picked = features.index_select(1, rows).index_select(2, plan.cols)
            out[band.images, band.target] = F.relu_(picked)
        ctx.plan = plan
        ctx.save_for_backward(images, out, *parameters)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        plan: _Plan = ctx.plan
        images, out, *parameters = ctx.saved_tensors
        depth = len(parameters) // 2
        weights, biases = ([p.to(plan.dtype) for p in part] for part in (parameters[:depth], parameters[depth:]))
        sums = [torch.zeros_like(p, dtype=torch.promote_types(p.dtype, torch.float32)) for p in parameters]
        grad_images = torch.zeros_like(images) if ctx.needs_input_grad[1] else None
        # When upsizing, several output pixels read the same feature.
        shared = any(bool((side.diff() == 0).any()) for side in (plan.rows, plan.cols))
        at_pixels = (grad.permute(0, 2, 3, 1) * (out > 0)).to(plan.dtype)
        for band, rows in plan.bands(images, depth, weights[-1].shape[0]):
            inputs = _inputs(plan.pixels(images, band), weights, biases)
            picked = at_pixels[band.images, band.target]
            dense = picked.new_zeros((picked.shape[0], *inputs[-1].shape[2:], picked.shape[3]))
            for image, values in zip(dense, picked):
                image.index_put_((rows[:, None], plan.cols), values, accumulate=shared)
            flowing = dense.permute(0, 3, 1, 2)
            for i in reversed(range(depth)):
                mask = [i > 0 or grad_images is not None, True, True]
                flowing, by_weight, by_bias = torch.ops.aten.convolution_backward(
                    flowing,
                    inputs[i],
                    weights[i],
                    list(biases[i].shape),
                    [1, 1],
                    [1, 1],
                    [1, 1],
                    False,
                    [0, 0],
                    1,
                    mask,
                )
                sums[i] += by_weight
                sums[depth + i] += by_bias
                if i:
                    flowing = torch.ops.aten.threshold_backward(flowing, inputs[i], 0)
            if grad_images is not None:
                grad_images[band.images, :, band.source] += flowing.to(images.dtype) * plan.gain
        return None, grad_images, *(s.to(p.dtype) for s, p in zip(sums, parameters))


def select(features: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Pick the features at the crossings of rows and columns (the paper's floating-point pooling).

    Selection only, nothing is averaged: ``out[n, c, i, j] = features[n, c, rows[i], cols[j]]``.

    Args:
        features: (N, C, H, W), floating point, any memory format.
        rows: (h,) int64 in [0, H).
        cols: (w,) int64 in [0, W).

    Returns:
        (N, C, h, w). Differentiable in ``features``.
    """
    return features.index_select(2, rows).index_select(3, cols)


def texture_at(
    images: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    rows: Tensor,
    cols: Tensor,
    *,
    shift: float = 0.0,
    gain: float = 1.0,
    dtype: torch.dtype | None = None,
    banded: bool = True,
) -> Tensor:
    """Return 3x3 convolutions with ReLU after each, at the crossings of rows and columns only.

    Args:
        images: (N, C, H, W), floating point.
        weights: Of each convolution in turn, (C_out, C_in, 3, 3); zero padding of 1.
        biases: Of each convolution, (C_out,).
        rows: (h,) int64 in [0, H), never falling.
        cols: (w,) int64 in [0, W), never falling.
        shift: Subtracted from the images first.
        gain: Multiplied with the images after that.
        dtype: Type in which to compute. None: that of the weights.
        banded: Work in bands, with a backward pass that computes them again. Otherwise on full maps, as a reference and for
            tracing.

    Returns:
        (N, C_out, h, w) in ``dtype``, at least 0. Differentiable in images, weights and biases, once.
    """
    dtype = weights[0].dtype if dtype is None else dtype
    if banded:
        plan = _Plan(rows, cols, shift, gain, dtype)
        result: Tensor = _SelectedTexture.apply(plan, images, *weights, *biases)  # type: ignore[no-untyped-call]
        return result
    features = ((images - shift) * gain).to(dtype)
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        features = F.conv2d(features, weight.to(dtype), bias.to(dtype), padding=1)
        features = F.relu(select(features, rows, cols) if i == len(weights) - 1 else features)
    return features
