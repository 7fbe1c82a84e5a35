"""Fit a downsizer without labels: a backbone's features of the small image are to be those of the large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class FeatureMatching(BaseModel):
    """Train only the downsizer, on any photographs.

    A frozen backbone gets the downsized image, and the same image at full resolution. The loss has a term for every feature
    map: the mean squared difference between the small image's map and the large image's, which is averaged down to the
    same size (PyTorch's adaptive average pooling). Each channel is divided by the large map's standard deviation over the
    batch, so a constant map would cost about 1.

    Args:
        backbone: Config of the backbone, with its pretrained weights. It is frozen and stays in evaluation mode.
        data_preprocessor: Config with ``type='mmdownsize.PairDownsizePreprocessor'``.
        level_weights: Weight of each feature map of the backbone. None: all 1.
        init_cfg: How mmengine initialises the weights.

    Raises:
        ValueError: In modes ``'loss'`` and ``'predict'``: if the preprocessor returns no full images, or there are not as many
            weights as feature maps.
    """

    frozen_parts_predict = True  # for TrainOnlyHook

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
        """Set the mode of all parts except the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def errors(self, inputs: Tensor, full: Tensor) -> list[Tensor]:
        """Return how much the feature maps of two versions of the same images differ.

        Args:
            inputs: Downsized images (N, C, h, w), normalised.
            full: The same at full resolution (N, C, H, W), normalised.

        Returns:
            A tensor (N,) for each feature map, in units of the large map's variance.
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
        """Return the losses, the errors of each image, or the feature maps of the downsized images.

        Args:
            inputs: Downsized images (N, C, h, w), normalised.
            full: The same at full resolution (N, C, H, W), normalised. Mode ``'tensor'`` does not need it.
            data_samples: Not used.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Raises:
            ValueError: If ``full`` is missing in another mode than ``'tensor'``.
        """
        if mode == 'tensor':
            return self.backbone(inputs)
        if full is None:
            raise Refusal(
                'FeatureMatching needs the full image too, and data_preprocessor does not return it: '
                "set its type to 'mmdownsize.PairDownsizePreprocessor'"
            )
        errors = self.errors(inputs, full)
        weights = self.level_weights or [1.0] * len(errors)
        if len(weights) != len(errors):
            raise Refusal(
                f'level_weights must have one weight for each feature map of the backbone, {len(errors)}, got {len(weights)}'
            )
        if mode == 'loss':
            return {f'loss_level{i}': weight * error.mean() for i, (weight, error) in enumerate(zip(weights, errors))}
        levels = torch.stack(errors, 1).tolist()
        return [{f'level{i}': value for i, value in enumerate(image)} for image in levels]
