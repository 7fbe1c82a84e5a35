"""The earth mover's distance between two distributions over ordered bins."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


def earth_movers_distance(p: Tensor, q: Tensor, r: float = 2.0) -> Tensor:
    """Return ``(1 / K * sum over k of |P_k - Q_k| ** r) ** (1 / r)``, P and Q being the cumulative sums of p and q.

    Args:
        p: (..., K), >= 0, sum 1 along K, bins in order and equally far apart.
        q: Another distribution of the same shape, over the same bins.
        r: The exponent, at least 1. With 1 it is 1 / K of Wasserstein's distance between bins at 1, 2, ..., K. With 2 it
            is easier to minimise.

    Returns:
        (...), from 0 to below 1. Differentiable, with gradient 0 where p and q are equal.

    Raises:
        Refusal: If the two differ in shape, or ``r`` is below 1.

    Source: Talebi and Milanfar, "NIMA: Neural Image Assessment", 2018, the loss.
    """
    if p.shape != q.shape:
        raise Refusal(f'two distributions over the same bins are needed, got {tuple(p.shape)} and {tuple(q.shape)}')
    if not r >= 1:
        raise Refusal(f'r must be at least 1, got {r}')
    difference = (p - q).cumsum(-1)
    return torch.linalg.vector_norm(difference, ord=r, dim=-1) / p.shape[-1] ** (1 / r)


@MODELS.register_module()
class EarthMoversLoss(nn.Module):
    """Mean over the images of :func:`earth_movers_distance` between the softmax of scores and a distribution.

    It works with every head of mmpretrain whose samples have a ``gt_score``.

    Args:
        r: The exponent, at least 1; the paper trains with 2.
        loss_weight: What the loss is multiplied by.

    Raises:
        Refusal: If ``r`` is below 1.
    """

    def __init__(self, r: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not r >= 1:
            raise Refusal(f'r must be at least 1, got {r}')
        self.r = r
        self.loss_weight = loss_weight

    def forward(self, cls_score: Tensor, target: Tensor, avg_factor: float | None = None) -> Tensor:
        """Return the loss.

        Args:
            cls_score: (N, K), any real numbers.
            target: (N, K), >= 0, sum 1 along K.
            avg_factor: What the sum over the images is divided by; N by default.

        Returns:
            A scalar, differentiable in ``cls_score``.

        Raises:
            Refusal: If the two differ in shape, or a target is not a distribution.
        """
        total = target.sum(-1)
        if (target < 0).any() or ((total - 1).abs() > 1e-3).any():
            raise Refusal(
                "the earth mover's distance needs distributions, >= 0 and with sum 1 (counts of ratings divided by their "
                f'sum), got sums from {total.min().item():g} to {total.max().item():g}, values from {target.min().item():g}'
            )
        # In half precision, cumulative sums round away the differences that count.
        distance = earth_movers_distance(cls_score.float().softmax(-1), target.float(), self.r)
        return self.loss_weight * distance.sum() / (len(distance) if avg_factor is None else avg_factor)
