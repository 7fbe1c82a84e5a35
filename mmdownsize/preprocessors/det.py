"""The data preprocessors for mmdet, and its samples under a resize."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.models.data_preprocessors import (
    BatchFixedSizePad,
    BatchResize,
    BatchSyncRandomResize,
    DetDataPreprocessor,
    MultiBranchDataPreprocessor,
)
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from torch import Tensor

from mmdownsize.arguments import check_divisor
from mmdownsize.geometry import ResizeMap, TargetSize, resize_labels, whole_hw
from mmdownsize.preprocessors.fields import Fields, Rule
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal, TypeRefusal
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
    """mmdet's ``DetDataPreprocessor`` with a downsizer before it. Takes the arguments of :class:`DownsizeMixin` too.

    ``pad_size_divisor`` applies to the downsized image. The size of ``BatchFixedSizePad`` is that before downsizing, and is
    scaled with the image.

    Raises:
        ValueError: Also if a batch augment resizes (``BatchResize``, ``BatchSyncRandomResize``), or pads to one size although
            ``train_scale_factor`` draws many; if ``pad_size_divisor`` is not a whole number of at least 1; or if an argument
            belongs to another data preprocessor.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name in FOREIGN.keys() & kwargs.keys():
            owner, way_out = FOREIGN[name]
            raise Refusal(f'{name} is an argument of {owner}: {way_out}')
        super().__init__(*args, **kwargs)
        check_divisor('pad_size_divisor', self.pad_size_divisor)
        for augment in self.batch_augments or ():
            if isinstance(augment, (BatchResize, BatchSyncRandomResize)):
                # The first overwrites scale_factor, the second ignores it: boxes would be wrong.
                raise Refusal(
                    f'{type(augment).__name__} in batch_augments resizes the batch a second time and cannot be '
                    'combined with a downsizer: remove it; scale and keep_ratio say one size, train_scale_factor draws many'
                )
            if isinstance(augment, BatchFixedSizePad):
                low, high = self.train_scale_factor or (None, None)
                if low != high:
                    raise Refusal(
                        'BatchFixedSizePad in batch_augments pads to one size, train_scale_factor draws many: '
                        'remove one of them; pad_size_divisor goes with both'
                    )
                target = self.target if low is None else TargetSize(scale_factor=low)  # it pads in training only
                augment.size = target.of(whole_hw('BatchFixedSizePad', augment.size))

    @staticmethod
    def more_rules() -> Mapping[str, Rule]:
        """Return the rule of mmdet's masks."""
        return MASKS

    def map_sample(self, sample: DetDataSample, resize_map: ResizeMap, training: bool) -> DetDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_det_sample(sample, resize_map, training, self.fields)


@MODELS.register_module()
class MultiBranchDownsizePreprocessor(MultiBranchDataPreprocessor):
    """mmdet's ``MultiBranchDataPreprocessor`` around a :class:`DetDownsizePreprocessor`.

    One downsizer serves all branches: labelled and unlabelled, the student's and the teacher's. It learns from the student's
    losses. It is not part of the teacher's moving average.

    Args:
        data_preprocessor: Config of a ``DetDownsizePreprocessor``.

    Raises:
        ValueError: If it is something else.
    """

    holds_downsizers = True  # see mmdownsize.preprocessors.guards

    def __init__(self, data_preprocessor: Mapping[str, Any]) -> None:
        super().__init__(data_preprocessor)
        if not isinstance(self.data_preprocessor, DetDownsizePreprocessor):
            raise Refusal(
                'data_preprocessor must be a mmdownsize.DetDownsizePreprocessor, '
                f'got {type(self.data_preprocessor).__name__}; without a downsizer use mmdet.MultiBranchDataPreprocessor'
            )

    def init_weights(self) -> None:
        """Initialise the downsizer, in spite of an ``init_cfg`` of the model around it."""
        self.data_preprocessor.init_weights()


def map_det_sample(
    sample: DetDataSample, resize_map: ResizeMap, training: bool, fields: Fields | None = None
) -> DetDataSample:
    """Return a sample whose every field fits the downsized image.

    Args:
        sample: Sample of the image before downsizing, which is left as it is.
        resize_map: The resize of its image.
        training: Whether to map annotations. Otherwise only the metainfo and ``proposals`` are: test pipelines load annotations
            after their own resizing, and metrics read them in original px.
        fields: How its fields follow; None: as their names say.

    Returns:
        A new sample.

    Raises:
        TypeError: If boxes are neither a tensor nor boxes of mmdet, or masks neither masks of mmdet nor a tensor.
        ValueError: If masks or a label map do not have the image's size, plain-tensor boxes are not (n, 4), or a field of
            the metainfo is not what mmdet writes.
    """
    fields = fields or Fields(more=MASKS)
    if training:
        mapped = fields.follow(sample, resize_map)
    else:
        mapped = sample.new()
        if 'proposals' in sample:
            mapped.proposals = fields.value('proposals', sample.proposals, resize_map)
    fields.set_metainfo(mapped, sample, resize_map)
    return mapped


def _map_masks(name: str, masks: Any, resize_map: ResizeMap) -> Any:
    if isinstance(masks, Tensor):
        return resize_labels(masks, resize_map)
    if not hasattr(masks, 'height'):
        raise TypeRefusal(f'masks must be BitmapMasks, PolygonMasks or a tensor, got {type(masks).__name__}')
    if (masks.height, masks.width) != resize_map.src_hw:
        raise Refusal(
            f'masks must have the size of their image, {resize_map.src_hw} (h, w), got {(masks.height, masks.width)}'
        )
    if isinstance(masks, BitmapMasks):
        # Not BitmapMasks.resize: its nearest neighbour is that of a pixel's corner, half a pixel off the image's grid.
        bitmaps = torch.from_numpy(masks.masks.reshape(-1, *resize_map.src_hw))
        mapped = BitmapMasks([], *resize_map.dst_hw)
        mapped.masks = resize_labels(bitmaps, resize_map).numpy()  # its constructor would copy them
        return mapped
    if isinstance(masks, PolygonMasks):
        return masks.resize(resize_map.dst_hw)
    raise Refusal(f'masks must be BitmapMasks, PolygonMasks or a tensor, got {type(masks).__name__}')


MASKS = {'masks': _map_masks}
