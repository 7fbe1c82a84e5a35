"""The data preprocessor for mmsegmentation that, in training, hands on every image twice."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor

from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SegPairDownsizePreprocessor(SegDownsizePreprocessor):
    """:class:`SegDownsizePreprocessor` that, in training, also gives the images at full resolution, as ``full``.

    For :class:`mmdownsize.fitting.self_distillation.SelfDistilledEncoderDecoder`. ``size`` and ``size_divisor`` pad downsized images
    only: those at full resolution are as the pipeline delivers them, and the model leaves out what was padded.

    Raises:
        ValueError: If there is a ``test_cfg`` (it pads at test time what is not padded in training).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.test_cfg:
            raise Refusal('SegPairDownsizePreprocessor does not take test_cfg: images are not padded at test time')

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize and normalise a batch.

        Args:
            data: See :meth:`DownsizeMixin.forward`.
            training: Whether to give the images at full resolution too.

        Returns:
            The parent's result, in training with ``full``, normalised: (N, C, H, W), or where images differ in size a list of
            (C, H, W).
        """
        out = super().forward(data, training)
        if training:
            full = [SegDataPreProcessor.forward(self, dict(inputs=[image]))['inputs'][0] for image in data['inputs']]
            out['full'] = torch.stack(full) if len({image.shape for image in full}) == 1 else full
        return out
