"""Preprocessors that return every image twice: downsized, and at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from mmengine.model import ImgDataPreprocessor

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


class PairMixin(DownsizeMixin):
    """Adds the images at full resolution, normalised as the small ones are, as ``full``.

    Attributes:
        full_at_test: Whether it adds them at test time too, not only in training.
    """

    full_at_test: ClassVar[bool] = False

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize and normalise a batch.

        Args:
            data: ``inputs`` and ``data_samples``, as :meth:`DownsizeMixin.forward` takes them.
            training: Whether annotations are mapped too.

        Returns:
            The parent's result with ``full``: (N, C, H, W), or where images differ in size a list of (C, H, W).
        """
        out = super().forward(data, training)
        if training or self.full_at_test:
            out['full'] = self.normalise(data['inputs'])
        return out


@MODELS.register_module()
class PairDownsizePreprocessor(PairMixin, ImgDataPreprocessor):
    """mmengine's ``ImgDataPreprocessor`` that returns the downsized images as ``inputs`` and the source images as ``full``.

    For :class:`mmdownsize.fitting.feature_matching.FeatureMatching`. Takes the arguments of :class:`DownsizeMixin`. All images
    of a batch have one size. Samples are returned as they are given.

    Raises:
        ValueError: If ``pad_size_divisor`` is above 1: both versions would be padded, and by different parts of their size.
    """

    full_at_test = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.pad_size_divisor != 1:
            raise Refusal(
                f'PairDownsizePreprocessor compares two versions of an image place by place, and pad_size_divisor='
                f'{self.pad_size_divisor!r} would pad them by different parts of their size: leave it out'
            )

    def check_sizes(self, maps: Sequence[ResizeMap], target: TargetSize, training: bool) -> None:
        """Check that images have one size.

        Raises:
            ValueError: If they differ in size.
        """
        sizes = sorted({resize_map.src_hw for resize_map in maps})
        if len(sizes) > 1:
            raise Refusal(f'images of a batch must have one size, got {sizes} (h, w): resize or crop in the pipeline')

    def map_sample(self, sample: Any, resize_map: ResizeMap, training: bool) -> Any:
        """Return the sample as it is: nobody reads its annotations."""
        return sample
