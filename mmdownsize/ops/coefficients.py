"""From free numbers to interpolation coefficients, starting exactly at a fixed kernel.

A downsizer learns ``logits``, one a neighbour, which all start at 0. A *prior*, a distribution over the neighbours, decides
which coefficients that gives; the logits tilt it::

    softmax:  p_i = q_i exp(l_i) / sum_j q_j exp(l_j)                       = softmax(log q + l)
    sigmoid:  s_i = sigmoid(logit(q_i) + l_i),   p_i = s_i / sum_j s_j

With a uniform prior these are the plain softmax and the paper's sigmoid-and-normalise. With a fixed kernel's weights ``w``
as the prior they equal the kernel at the start, but a neighbour of weight 0 cannot learn: its logit is minus infinity. On
a grid that hits source pixels exactly (300 -> 100, bilinear) all neighbours but one have weight 0.

So the prior is softened, ``q = (1 - e) w + e / K``, which gives every neighbour a usable gradient. The tilted distribution
is sharpened by the inverse map, ``x = (p - e / K) / (1 - e)``, which gives ``w`` to the last bit at the start. Where ``x`` is
below 0 it is cut. A plain cut would end the gradient of a neighbour that one noisy step pushed below 0 at every pixel. So
below 0 the gradient has a small slope, and the neighbour can return.
"""

from __future__ import annotations

import torch
from torch import Tensor

SOFTNESS = 0.2  # e: the share of the uniform distribution in a softened prior
LEAK = 0.1  # slope of the gradient below 0, where the value is cut
NORMALIZATIONS = {'softmax': 1, 'sigmoid': 2, 'none': 0}
"""How coefficients are made of logits, and the number of each way in compiled code (``backends/csrc``)."""

LOGIT_LIMIT = 30.0  # exp(30) = 1e13: beyond, sigmoids are 0 or 1 in float32 and exp would end in inf / inf


def soften(weights: Tensor, neighbor_dim: int) -> Tensor:
    """Mix a distribution over neighbours with the uniform one.

    Args:
        weights: Coefficients >= 0 with sum 1 along ``neighbor_dim``.
        neighbor_dim: The axis of the K neighbours.

    Returns:
        ``(1 - SOFTNESS) * weights + SOFTNESS / K``, same shape.
    """
    return (1 - SOFTNESS) * weights + SOFTNESS / weights.shape[neighbor_dim]


def softmax_tilt(prior: Tensor, logits: Tensor) -> Tensor:
    """Return ``p / q``, the tilted distribution relative to its prior ``q``, for softmax.

    Args:
        prior: (1, K, h, w), > 0, sum 1 along K.
        logits: (N, K, h, w), any real numbers.

    Returns:
        (N, K, h, w), >= 0; exactly 1 where all logits of a pixel are equal. Differentiable in ``logits``.
    """
    shifted = logits - logits.detach().amax(1, keepdim=True)
    # 1 + sum q (e - 1) instead of sum q e: exact at the start, whatever the prior's rounding.
    total = 1 + (prior * torch.expm1(shifted)).sum(1, keepdim=True)
    return shifted.exp() / total


def sigmoid_tilt(prior: Tensor, logits: Tensor, odds: float) -> Tensor:
    """Return ``p / q``, the tilted distribution relative to its prior ``q``, for sigmoid-and-normalise.

    Args:
        prior: (1, K, h, w), > 0, sum 1 along K.
        logits: (N, K, h, w), any real numbers; clipped to +-30.
        odds: The sigmoids start at ``odds * prior``, which must be below 1. K / 2 with a uniform prior is the paper's
            plain sigmoid of the logits.

    Returns:
        (N, K, h, w), > 0; exactly 1 where all logits are 0. Differentiable in ``logits``.
    """
    clipped = logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    # sigmoid(logit(r) + l) / r = exp(l) / (1 + r (exp(l) - 1)) for r = odds * q
    ratio = clipped.exp() / (1 + odds * prior * torch.expm1(clipped))
    # Relative to the largest: otherwise the sum of many tiny ratios would be lost in 1 - 1.
    ratio = ratio / ratio.detach().amax(1, keepdim=True)
    return ratio / (1 + (prior * (ratio - 1)).sum(1, keepdim=True))


def exact_start(weights: Tensor, prior: Tensor, tilt: Tensor) -> Tensor:
    """Undo :func:`soften` on a tilted prior.

    Args:
        weights: (1, K, h, w), the kernel's coefficients: >= 0, sum 1 along K.
        prior: (1, K, h, w), ``soften(weights)``.
        tilt: (N, K, h, w), :func:`softmax_tilt` or :func:`sigmoid_tilt` of it.

    Returns:
        (N, K, h, w) coefficients, >= 0, sum 1 along K; ``weights`` to the last bit where ``tilt`` is 1.
    """
    sharpened = weights + prior * (tilt - 1) / (1 - SOFTNESS)
    below = torch.where(sharpened < 0, sharpened, 0)
    cut = sharpened.clamp(min=0) + LEAK * (below - below.detach())  # 0 below 0, with a gradient of the right sign
    return cut / (1 + (cut - weights).sum(1, keepdim=True))


def coefficients_of(logits: Tensor, weights: Tensor | None, normalize: str) -> Tensor:
    """Return interpolation coefficients.

    Args:
        logits: (N, K, h, w), any real numbers.
        weights: (1, K, h, w), the coefficients of the kernel to start at, sum 1 along K, and >= 0 unless ``normalize`` is
            ``'none'``. None: no kernel, and zero logits give every neighbour 1 / K, or 0 with ``'none'``.
        normalize: ``'softmax'``, ``'sigmoid'`` or ``'none'`` (what is learned is added to the kernel).

    Returns:
        (N, K, h, w). Differentiable in ``logits``.
    """
    if normalize == 'none':
        return logits if weights is None else weights + logits
    count = logits.shape[1]
    prior = logits.new_full((1, count, 1, 1), 1 / count) if weights is None else soften(weights, 1)
    tilt = softmax_tilt(prior, logits) if normalize == 'softmax' else sigmoid_tilt(prior, logits, odds(count, weights))
    return prior * tilt if weights is None else exact_start(weights, prior, tilt)


def odds(count: int, weights: Tensor | None) -> float:
    """Return the odds that sigmoids start at; without a kernel those of the paper's plain sigmoid, 1 / 2 each."""
    return count / 2 if weights is None else 1.0
