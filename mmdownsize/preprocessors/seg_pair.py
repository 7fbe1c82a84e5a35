"""The data preprocessor for mmsegmentation that, in training, hands on every image twice."""

from __future__ import annotations

from typing import Any

from mmseg.models.data_preprocessor import SegDataPreProcessor

from mmdownsize.preprocessors.boundary import check_one_size
from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SegPairDownsizePreprocessor(SegDownsizePreprocessor):
    """:class:`SegDownsizePreprocessor` that, in training, also gives the images at full resolution, as ``full``.

    For :class:`mmdownsize.models.self_distilled.SelfDistilledEncoderDecoder`.

    Raises:
        ValueError: If there is a ``test_cfg`` (it pads at test time what is not padded in training).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.test_cfg:
            raise ValueError('SegPairDownsizePreprocessor does not take test_cfg: images are not padded at test time')

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize and normalise a batch.

        Args:
            data: See :meth:`DownsizeMixin.forward`; in training all images of one size.
            training: Whether to give the images at full resolution too.

        Returns:
            The parent's result, in training with ``full``, (N, C, H, W), normalised.

        Raises:
            ValueError: If the images of a training batch differ in size.
        """
        out = super().forward(data, training)
        if training:
            check_one_size(data['inputs'])
            out['full'] = SegDataPreProcessor.forward(self, dict(inputs=list(data['inputs'])))['inputs']
        return out
