"""The data preprocessor for mmdet."""

from __future__ import annotations

from typing import Any

from mmdet.models.data_preprocessors import (
    BatchFixedSizePad,
    BatchResize,
    BatchSyncRandomResize,
    DetDataPreprocessor,
)
from mmdet.structures import DetDataSample

from mmdownsize.geometry import ResizeMap, whole_hw
from mmdownsize.preprocessors.boundary import check_divisor
from mmdownsize.preprocessors.det_samples import map_det_sample
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.registry import MODELS


@MODELS.register_module()
class DetDownsizePreprocessor(DownsizeMixin, DetDataPreprocessor):
    """mmdet's ``DetDataPreprocessor`` with a downsizer in front: see :class:`DownsizeMixin` for its arguments.

    ``pad_size_divisor`` applies to the downsized image. ``BatchFixedSizePad`` is understood as the size before
    downsizing and scaled with it.

    Raises:
        ValueError: Also if the batch augments resize on their own (``BatchResize``, ``BatchSyncRandomResize``), or pad to
            one size although ``train_scale_factor`` draws many, or ``pad_size_divisor`` is no whole number above 0.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_divisor('pad_size_divisor', self.pad_size_divisor)
        for augment in self.batch_augments or ():
            if isinstance(augment, (BatchResize, BatchSyncRandomResize)):
                # The one overwrites scale_factor, the other ignores it: boxes would land elsewhere.
                raise ValueError(
                    f'{type(augment).__name__} in batch_augments resizes the batch a second time and cannot be '
                    'combined with a downsizer: remove it, and vary the size in the pipeline if need be'
                )
            if isinstance(augment, BatchFixedSizePad):
                if self.train_scale_factor is not None:
                    raise ValueError(
                        'BatchFixedSizePad in batch_augments pads to one size, train_scale_factor draws many: '
                        'remove one of them; pad_size_divisor goes with both'
                    )
                augment.size = self.target.of(whole_hw('BatchFixedSizePad', augment.size))

    def map_sample(self, sample: DetDataSample, resize_map: ResizeMap, training: bool) -> DetDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_det_sample(sample, resize_map, training)
