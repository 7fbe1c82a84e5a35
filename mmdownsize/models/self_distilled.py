"""Fitting a downsizer to a finished segmentor without labels: the prediction shall stay what it is at full resolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmdownsize.registry import MODELS


@MODELS.register_module()
class SelfDistilledEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` that learns from itself.

    Where the labels of a few images would have the downsizer favour frequent classes, the model's own prediction at full
    resolution says, pixel by pixel and class by class, what is lost by downsizing; no label is read. The loss is the
    Kullback-Leibler divergence of the prediction on the downsized image from it, both brought to the downsized image's
    size (bilinear, antialiased), averaged over pixels.

    Combine it with :class:`mmdownsize.hooks.train_only.TrainOnlyHook`, so that nothing but the downsizer is trained, and
    with ``data_preprocessor=dict(type='mmdownsize.SegPairDownsizePreprocessor', ...)``. Weights have the names of
    ``EncoderDecoder``: its checkpoints fit, and a prediction is its own.
    """

    def forward(
        self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor', full: Tensor | None = None
    ) -> Any:
        """Return the loss, or what ``EncoderDecoder`` returns in the other modes.

        Args:
            inputs: Downsized images (N, C, h, w), normalised.
            data_samples: Read in the other modes only.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.
            full: The same images at full resolution (N, C, H, W), in mode ``'loss'``.

        Raises:
            ValueError: If ``full`` is missing in mode ``'loss'``.
        """
        if mode != 'loss':
            return super().forward(inputs, data_samples, mode)
        if full is None:
            raise ValueError(
                'SelfDistilledEncoderDecoder compares with the full image, which data_preprocessor does not give: '
                "its type must be 'mmdownsize.SegPairDownsizePreprocessor'"
            )
        with torch.no_grad():
            wanted = self._at(full, inputs.shape[-2:]).log_softmax(1)
        found = self._at(inputs, inputs.shape[-2:]).log_softmax(1)
        return {'loss_kl': (wanted.exp() * (wanted - found)).sum(1).mean()}

    def _at(self, images: Tensor, hw: torch.Size) -> Tensor:
        logits = self._forward(images).float()
        return F.interpolate(logits, size=hw, mode='bilinear', antialias=True)
