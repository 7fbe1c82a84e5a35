"""The data preprocessor for mmsegmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.structures import SegDataSample

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.preprocessors.seg_samples import map_seg_sample, prediction_samples
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SegDownsizePreprocessor(DownsizeMixin, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` with a downsizer in front: see :class:`DownsizeMixin` for its arguments.

    ``size``, also that of ``test_cfg``, is the padding size (h, w) before downsizing, as existing configs have it
    (their crop size), and is scaled with the image; left as it is, small images would be padded back with the ignore
    label. ``size_divisor`` applies to the downsized image.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._source_size = self.size
        if self.size is not None:
            self.size = self.target.of(self.size)
        if self.test_cfg and self.test_cfg.get('size') is not None:
            self.test_cfg = {**self.test_cfg, 'size': self.target.of(self.test_cfg['size'])}

    def draw_target(self) -> TargetSize:
        """Return the target of a batch to train on, to which the padding size is scaled as well."""
        target = super().draw_target()
        if self.train_scale_factor is not None and self._source_size is not None:
            self.size = target.of(self._source_size)
        return target

    def map_sample(self, sample: SegDataSample, resize_map: ResizeMap, training: bool) -> SegDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_seg_sample(sample, resize_map, training)

    def _map_samples(
        self, samples: Sequence[SegDataSample] | None, maps: list[ResizeMap], training: bool
    ) -> Sequence[SegDataSample]:
        # Without samples mmseg predicts at the size it is fed: the caller would silently get small maps.
        return prediction_samples(maps) if samples is None else super()._map_samples(samples, maps, training)
