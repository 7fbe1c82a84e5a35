"""The data preprocessor that hands on every image twice: downsized, and as it is."""

from __future__ import annotations

from typing import Any

from mmengine.model import ImgDataPreprocessor

from mmdownsize.geometry import ResizeMap
from mmdownsize.preprocessors.boundary import check_batch, check_images, check_one_size
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class PairDownsizePreprocessor(DownsizeMixin, ImgDataPreprocessor):
    """mmengine's ``ImgDataPreprocessor`` that gives the downsized images as ``inputs`` and the source as ``full``.

    For :class:`mmdownsize.fitting.feature_matching.FeatureMatching`. Arguments are those of :class:`DownsizeMixin`.

    Raises:
        ValueError: If ``pad_size_divisor`` is above 1: both versions would be padded, and by different parts of their size.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.pad_size_divisor != 1:
            raise Refusal(
                f'PairDownsizePreprocessor compares two versions of an image place by place, and pad_size_divisor='
                f'{self.pad_size_divisor!r} would pad them by different parts of their size: leave it out'
            )

    def map_sample(self, sample: Any, resize_map: ResizeMap, training: bool) -> Any:
        """Return the sample as it is: nobody reads its annotations."""
        return sample

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize and normalise a batch.

        Args:
            data: See :meth:`DownsizeMixin.forward`; all images of one size. Samples, if any, are handed on.
            training: See there.

        Returns:
            ``inputs`` (N, C, h, w) and ``full`` (N, C, H, W), both normalised, and ``data_samples``.

        Raises:
            ValueError: If the images differ in size.
        """
        check_batch(data)
        check_images(data['inputs'])
        check_one_size(data['inputs'])
        small = super().forward(data, training)
        full = ImgDataPreprocessor.forward(self, dict(inputs=data['inputs']))
        return dict(inputs=small['inputs'], full=full['inputs'], data_samples=small['data_samples'])
