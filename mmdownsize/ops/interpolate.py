"""Floating-point pooling and the weighted sum of neighbours, on separable grids."""

from __future__ import annotations

import torch
from torch import Tensor


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
    if coefficients.shape[1] != len(rows) * len(cols):
        raise ValueError(
            f'{len(rows)} x {len(cols)} neighbours need {len(rows) * len(cols)} coefficients, got {coefficients.shape[1]}'
        )
    dtype = torch.promote_types(images.dtype, coefficients.dtype)
    images = images.to(dtype)
    coefficients = coefficients.to(dtype)
    out: Tensor | None = None
    for k, row in enumerate(rows):
        band = images.index_select(2, row)  # (N, C, h, W)
        for j, col in enumerate(cols):
            tap = k * len(cols) + j
            term = band.index_select(3, col) * coefficients[:, tap : tap + 1]  # (N, C, h, w)
            out = term if out is None else out + term
    assert out is not None
    return out
