"""The data preprocessor for mmpretrain."""

from __future__ import annotations

from mmengine.structures import BaseDataElement
from mmpretrain.models import ClsDataPreprocessor

from mmdownsize.geometry import ResizeMap
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class ClsDownsizePreprocessor(DownsizeMixin, ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor`` with a downsizer before it. Takes the arguments of :class:`DownsizeMixin` too.

    Colour order, normalisation, ``pad_size_divisor``, one-hot labels and batch augments (Mixup, CutMix) are the parent's
    and apply to the downsized images.
    """

    def map_sample(self, sample: BaseDataElement, resize_map: ResizeMap, training: bool) -> BaseDataElement:
        """Return a new sample that fits the downsized image; labels and scores do not depend on its size.

        Boxes follow it at test time as well: mmpretrain divides ``gt_bboxes`` by ``scale_factor`` there, as it does predictions.

        Raises:
            ValueError: If it has a ``mask`` of patches, as for masked image modelling, which is made for another size.
        """
        if 'mask' in sample:
            raise Refusal(
                f'the sample has a mask, of shape {tuple(sample.mask.shape)}: masks of patches are made for the size that the '
                'pipeline delivers, masked image modelling cannot be combined with a downsizer'
            )
        mapped = self.fields.follow(sample, resize_map)
        self.fields.set_metainfo(mapped, sample, resize_map)
        return mapped
