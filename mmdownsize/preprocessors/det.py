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
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

# Arguments of mmdet's other data preprocessors, which a changed type leaves behind in a config, and what to do.
FOREIGN = {
    'data_preprocessor': (
        'MultiBranchDataPreprocessor',
        "say type='mmdownsize.MultiBranchDownsizePreprocessor', and this type, downsizer and target one level further in",
    ),
    'use_det_processor': ('TrackDataPreprocessor', 'clips have no counterpart here yet; resize in the pipeline'),
    **dict.fromkeys(
        ('mask_stride', 'pairwise_size', 'pairwise_dilation', 'pairwise_color_thresh', 'bottom_pixels_removed'),
        ('BoxInstDataPreprocessor', 'which has no counterpart here yet; resize in the pipeline'),
    ),
}


@MODELS.register_module()
class DetDownsizePreprocessor(DownsizeMixin, DetDataPreprocessor):
    """mmdet's ``DetDataPreprocessor`` with a downsizer in front: see :class:`DownsizeMixin` for its arguments.

    ``pad_size_divisor`` applies to the downsized image. ``BatchFixedSizePad`` is understood as the size before
    downsizing and scaled with it.

    Raises:
        ValueError: Also if the batch augments resize on their own (``BatchResize``, ``BatchSyncRandomResize``), or pad to
            one size although ``train_scale_factor`` draws many, or ``pad_size_divisor`` is no whole number above 0; or if an
            argument is another data preprocessor's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name in FOREIGN.keys() & kwargs.keys():
            owner, way_out = FOREIGN[name]
            raise Refusal(f'{name} is an argument of {owner}: {way_out}')
        super().__init__(*args, **kwargs)
        check_divisor('pad_size_divisor', self.pad_size_divisor)
        for augment in self.batch_augments or ():
            if isinstance(augment, (BatchResize, BatchSyncRandomResize)):
                # The one overwrites scale_factor, the other ignores it: boxes would land elsewhere.
                raise Refusal(
                    f'{type(augment).__name__} in batch_augments resizes the batch a second time and cannot be '
                    'combined with a downsizer: remove it; scale and keep_ratio say one size, train_scale_factor draws many'
                )
            if isinstance(augment, BatchFixedSizePad):
                if self.train_scale_factor is not None:
                    raise Refusal(
                        'BatchFixedSizePad in batch_augments pads to one size, train_scale_factor draws many: '
                        'remove one of them; pad_size_divisor goes with both'
                    )
                augment.size = self.target.of(whole_hw('BatchFixedSizePad', augment.size))

    def map_sample(self, sample: DetDataSample, resize_map: ResizeMap, training: bool) -> DetDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_det_sample(sample, resize_map, training)
