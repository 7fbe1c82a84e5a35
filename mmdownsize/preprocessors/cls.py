"""The data preprocessor for mmpretrain."""

from __future__ import annotations

from mmengine.structures import BaseDataElement
from mmpretrain.models import ClsDataPreprocessor

from mmdownsize.geometry import ResizeMap
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.preprocessors.samples import map_metainfo
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class ClsDownsizePreprocessor(DownsizeMixin, ClsDataPreprocessor):
    """mmpretrain's ``ClsDataPreprocessor`` with a downsizer before it. Takes the arguments of :class:`DownsizeMixin` too.

    Colour order, normalisation, ``pad_size_divisor``, one-hot labels and batch augments (Mixup, CutMix) are the parent's
    and apply to the downsized images.
    """

    def map_sample(self, sample: BaseDataElement, resize_map: ResizeMap, training: bool) -> BaseDataElement:
        """Return a new sample whose metainfo fits the downsized image; labels and scores do not depend on its size.

        Raises:
            ValueError: If it has a ``mask`` of patches, as for masked image modelling, which is made for another size.
        """
        if 'mask' in sample:
            raise Refusal(
                f'the sample has a mask, of shape {tuple(sample.mask.shape)}: masks of patches are made for the size that the '
                'pipeline delivers, masked image modelling cannot be combined with a downsizer'
            )
        mapped = sample.new()
        mapped.set_metainfo(map_metainfo(sample.metainfo, resize_map))
        return mapped
