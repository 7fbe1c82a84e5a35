"""Fitting a downsizer without labels: what a backbone sees in the small image shall be what it sees in the large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.registry import METRICS, MODELS


@MODELS.register_module()
class FeatureMatching(BaseModel):
    """Train nothing but the downsizer, on any photographs.

    A frozen backbone reads the downsized image, and the same image at full resolution. The loss is, for every feature map
    of the backbone, the mean squared difference between the small image's map and the large one's, averaged down to the
    same size (PyTorch's adaptive average pooling); each channel is divided by the large map's standard deviation over
    the batch, so that 1 is about what a constant would cost.

    Args:
        backbone: Config of the backbone, with its pretrained weights. It is frozen and stays in evaluation mode.
        data_preprocessor: Config with ``type='mmdownsize.PairDownsizePreprocessor'``.
        level_weights: Weight of each map the backbone gives; all 1 by default.
        init_cfg: mmengine's.

    Raises:
        ValueError: If the preprocessor gives no pairs, or the weights are not as many as the maps.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        data_preprocessor: dict[str, Any],
        level_weights: Sequence[float] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.backbone.requires_grad_(False)
        self.level_weights = level_weights

    def train(self, mode: bool = True) -> FeatureMatching:
        """Set the mode of everything but the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def errors(self, inputs: Tensor, full: Tensor) -> list[Tensor]:
        """Return how far the maps of two versions of the same images lie apart.

        Args:
            inputs: (N, C, h, w), normalised.
            full: (N, C, H, W), normalised.

        Returns:
            One tensor (N,) a map, in units of the large map's variance.
        """
        with torch.no_grad():
            wanted = self.backbone(full)
        errors = []
        for seen, large in zip(self.backbone(inputs), wanted, strict=True):
            deviation = large.std((0, 2, 3), keepdim=True).clamp_min(1e-6)
            difference = seen - F.adaptive_avg_pool2d(large, seen.shape[-2:])
            errors.append((difference / deviation).square().mean((1, 2, 3)))
        return errors

    def forward(
        self, inputs: Tensor, full: Tensor | None = None, data_samples: Any = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[dict[str, float]] | Sequence[Tensor]:
        """Return the losses, the errors image by image, or the small images' feature maps.

        Args:
            inputs: Downsized images (N, C, h, w), normalised.
            full: The same at full resolution (N, C, H, W).
            data_samples: Not read.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Raises:
            ValueError: If ``full`` is missing where it is needed.
        """
        if mode == 'tensor':
            return self.backbone(inputs)
        if full is None:
            raise Refusal(
                'FeatureMatching compares with the full image, which data_preprocessor does not give: '
                "its type must be 'mmdownsize.PairDownsizePreprocessor'"
            )
        errors = self.errors(inputs, full)
        weights = self.level_weights or [1.0] * len(errors)
        if len(weights) != len(errors):
            raise Refusal(f'level_weights must be one a map of the backbone, {len(errors)}, got {len(weights)}')
        if mode == 'loss':
            return {f'loss_level{i}': weight * error.mean() for i, (weight, error) in enumerate(zip(weights, errors))}
        levels = torch.stack(errors, 1).tolist()
        return [{f'level{i}': value for i, value in enumerate(image)} for image in levels]


@METRICS.register_module()
class FeatureError(BaseMetric):
    """Mean of the errors that :class:`FeatureMatching` predicts, ``feature_error/level0`` and so on; less is better."""

    default_prefix = 'feature_error'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, float]]) -> None:
        """Keep a batch's errors."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """Return the means."""
        return {name: sum(image[name] for image in results) / len(results) for name in results[0]}
