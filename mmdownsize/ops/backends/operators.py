"""PyTorch's own operators: the reference of all back ends, and two back ends themselves, ``banded`` and ``dense``.

They run everywhere, in every dtype. ``dense`` can be traced and exported, and has gradients of gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmdownsize.ops.coefficients import coefficients_of
from mmdownsize.ops.lengths import are_known
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.texture import texture_at
from mmdownsize.refusal import Refusal


def interpolate(images: Tensor, coefficients: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Give every output pixel the sum of its neighbours, weighted by its own coefficients.

    ``out[n, c, i, j] = sum over k, l of coefficients[n, k * Kx + l, i, j] * images[n, c, rows[k, i], cols[l, j]]``; the same
    coefficients for every channel.

    Args:
        images: (N, C, H, W), floating point.
        coefficients: (N or 1, Ky * Kx, h, w), neighbours in row-major order.
        rows: (Ky, h) int64 in [0, H): source rows of the neighbours of each output row.
        cols: (Kx, w) int64 in [0, W): source columns of the neighbours of each output column.

    Returns:
        (N, C, h, w) in the promoted dtype of images and coefficients. Differentiable in both.

    Raises:
        ValueError: If the number of coefficients is not Ky * Kx.
    """
    dtype = torch.promote_types(images.dtype, coefficients.dtype)
    images = images.to(dtype)
    coefficients = coefficients.to(dtype)
    if not are_known(rows.shape[0], cols.shape[0]):
        return _interpolate_any(images, coefficients, rows, cols)
    if coefficients.shape[1] != len(rows) * len(cols):
        raise Refusal(
            f'{len(rows)} x {len(cols)} neighbours need {len(rows) * len(cols)} coefficients, got {coefficients.shape[1]}'
        )
    out: Tensor | None = None
    for k, row in enumerate(rows):
        band = images.index_select(2, row)  # (N, C, h, W)
        for j, col in enumerate(cols):
            tap = k * len(cols) + j
            term = band.index_select(3, col) * coefficients[:, tap : tap + 1]  # (N, C, h, w)
            out = term if out is None else out + term
    assert out is not None
    return out


def _interpolate_any(images: Tensor, coefficients: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Return :func:`interpolate`, recorded for any number of neighbours: all of them at once."""
    (taps_y, h), (taps_x, w) = rows.shape, cols.shape
    gathered = images.index_select(2, rows.flatten()).index_select(3, cols.flatten())  # (N, C, Ky * h, Kx * w)
    gathered = gathered.view(images.shape[0], images.shape[1], taps_y, h, taps_x, w)
    by_tap = coefficients.reshape(coefficients.shape[0], 1, taps_y, taps_x, h, w).transpose(3, 4)
    return (gathered * by_tap).sum((2, 4))


def learned_coefficients(
    images: Tensor,
    around: Neighborhood,
    static_logits: Tensor,
    texture: Texture | None,
    *,
    normalize: str = 'softmax',
    banded: bool = True,
) -> Tensor:
    """Return the coefficients that :func:`mmdownsize.ops.downsize` interpolates with.

    Args:
        images: (N, C, H, W), floating point.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
        normalize: One of ``NORMALIZATIONS``.
        banded: Run the convolutions over bands of source rows, not on whole maps.

    Returns:
        (N, Ky * Kx, h, w) in the dtype of ``around.weights_y``, neighbours in row-major order. Differentiable.
    """
    logits = static_logits[None]
    if texture is not None:
        features = texture_at(
            images,
            texture.weights,
            texture.biases,
            around.top,
            around.left,
            shift=texture.shift,
            gain=texture.gain,
            dtype=texture.dtype,
            banded=banded,
        )
        # A matrix product rather than a convolution: its result is contiguous along pixels, which makes the rest fast.
        # Features may be in half precision. Logits are made in float32 at least: signed ones must add up to 0.
        exact = around.weights_y.dtype
        pixels = features.permute(0, 2, 3, 1).flatten(1, 2).to(exact)  # (N, h * w, channels)
        by_texture = texture.to_logits.to(exact) @ pixels.transpose(1, 2)  # (N, K, h * w)
        logits = by_texture.view(-1, *static_logits.shape) + logits
    logits = logits.to(around.weights_y.dtype)
    coefficients = coefficients_of(logits, around.weights if around.kernel else None, normalize)
    return coefficients.expand(images.shape[0], -1, -1, -1)


def downsize(
    images: Tensor,
    around: Neighborhood,
    static_logits: Tensor,
    texture: Texture | None,
    normalize: str,
    *,
    banded: bool = False,
) -> Tensor:
    """Give every output pixel the sum of its neighbours: :func:`mmdownsize.ops.downsize` by PyTorch's operators.

    Args:
        images: (N, C, H, W), floating point or uint8.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
        normalize: One of ``NORMALIZATIONS``.
        banded: Run the convolutions over bands of source rows. Otherwise on whole maps: more memory, plain operators only.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Differentiable in all tensors, twice if not ``banded``.
    """
    if images.dtype == torch.uint8:
        images = images.float()
    coefficients = learned_coefficients(images, around, static_logits, texture, normalize=normalize, banded=banded)
    return interpolate(images, coefficients, around.rows, around.cols).to(images.dtype)
