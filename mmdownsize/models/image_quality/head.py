"""The head that predicts a distribution of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class QualityHead(LinearClsHead):
    """mmpretrain's ``LinearClsHead`` on ratings: dropout, a linear layer, one score a bin, and the mean of the bins.

    Source: Talebi and Milanfar, "NIMA: Neural Image Assessment", 2018: dropout with a rate of 0.75, a fully connected
    layer with 10 neurons and a softmax.

    Args:
        in_channels: Channels of the features.
        num_bins: Ratings K, from 1 to K.
        dropout: Rate of the dropout before the linear layer.
        loss: Config of the loss; None: :class:`EarthMoversLoss`.
        kwargs: Other arguments of ``LinearClsHead``.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_bins: int = 10,
        dropout: float = 0.75,
        loss: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        loss = loss or dict(type='mmdownsize.EarthMoversLoss')
        super().__init__(num_classes=num_bins, in_channels=in_channels, loss=loss, **kwargs)
        self.dropout = nn.Dropout(dropout)

    def pre_logits(self, feats: Sequence[Tensor]) -> Tensor:
        """Return the features (N, C) of the last stage, with dropout."""
        return self.dropout(feats[-1])

    def _get_loss(self, cls_score: Tensor, data_samples: list[DataSample], **kwargs: Any) -> dict[str, Tensor]:
        for sample in data_samples:
            if 'gt_score' not in sample or len(sample.gt_score) != self.num_classes:
                found = f'{len(sample.gt_score)} bins' if 'gt_score' in sample else 'none'
                raise Refusal(f'every sample needs a gt_score of {self.num_classes} bins, got {found}')
        return super()._get_loss(cls_score, data_samples, **kwargs)

    def _get_predictions(self, cls_score: Tensor, data_samples: list[DataSample] | None) -> list[DataSample]:
        """Set ``pred_score``, the distribution (K,), and ``pred_quality``, its mean, 1 to K, a scalar tensor."""
        samples = super()._get_predictions(cls_score, data_samples)
        for sample in samples:
            sample.set_field(mean_rating(sample.pred_score), 'pred_quality', dtype=torch.Tensor)
        return samples


def mean_rating(distribution: Tensor) -> Tensor:
    """Return the mean of ratings 1 to K that are distributed as (..., K) says."""
    ratings = torch.arange(1, distribution.shape[-1] + 1, dtype=distribution.dtype, device=distribution.device)
    return (distribution * ratings).sum(-1)
