"""Weighted sums of pixels of maps with many channels, with little memory for the backward pass.

:func:`mmdownsize.ops.interpolate` keeps one shifted copy of the images a neighbour. For 3 channels that is little; for
256 channels at 200x304 px four copies are 249 MB. Here the backward pass reads the map again.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize.refusal import Refusal


def weighted_gather(maps: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Sum pixels of maps, with a weight each: ``out[m, c] = sum over k of weights[m, k] * pixel(indices[m, k])[c]``.

    Args:
        maps: (N, C, H, W), float32 or float64, any memory format.
        indices: (M, K) int64 in [0, N * H * W), pixels of all maps in row-major order; M may be 0.
        weights: (M, K), dtype of ``maps``.

    Returns:
        (M, C), dtype of ``maps``. Differentiable in ``maps`` and ``weights``, once.

    Raises:
        ValueError: If ``indices`` and ``weights`` differ in shape.
    """
    if indices.ndim != 2 or indices.shape != weights.shape:
        raise Refusal(f'indices and weights must both be (M, K), got {tuple(indices.shape)} and {tuple(weights.shape)}')
    table = maps.permute(0, 2, 3, 1).flatten(0, 2)  # (N * H * W, C)
    return F.embedding_bag(indices, table, mode='sum', per_sample_weights=weights)


def interpolate_lean(maps: Tensor, coefficients: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Return what :func:`mmdownsize.ops.interpolate` returns: same arguments, less memory, one gradient.

    Args:
        maps: (N, C, H, W), floating point.
        coefficients: (N or 1, Ky * Kx, h, w), neighbours in row-major order.
        rows: (Ky, h) int64 in [0, H).
        cols: (Kx, w) int64 in [0, W).

    Returns:
        (N, C, h, w), contiguous, in the promoted dtype of maps and coefficients, float32 at least. Differentiable in
        both, once.

    Raises:
        ValueError: If the number of coefficients is not Ky * Kx.
    """
    (n, channels, height, width), (h, w) = maps.shape, (rows.shape[1], cols.shape[1])
    count = len(rows) * len(cols)
    if coefficients.shape[1] != count:
        raise Refusal(f'{len(rows)} x {len(cols)} neighbours need {count} coefficients, got {coefficients.shape[1]}')
    dtype = torch.promote_types(torch.promote_types(maps.dtype, coefficients.dtype), torch.float32)
    pixels = (rows[:, None, :, None] * width + cols[None, :, None, :]).flatten(0, 1).permute(1, 2, 0)  # (h, w, K)
    first = torch.arange(n, device=maps.device).view(n, 1, 1, 1) * (height * width)
    indices = (first + pixels).reshape(-1, count)
    weights = coefficients.to(dtype).expand(n, -1, -1, -1).permute(0, 2, 3, 1).reshape(-1, count)
    out = weighted_gather(maps.to(dtype), indices, weights)
    # Contiguous as an ordinary layer's result is: mmcv's RoIAlign on a CPU reads memory in order whatever the strides.
    return out.view(n, h, w, channels).permute(0, 3, 1, 2).contiguous()
