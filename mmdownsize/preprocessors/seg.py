"""The data preprocessors for mmsegmentation, and its samples under a resize."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.structures import SegDataSample

from mmdownsize.arguments import check_divisor, flag
from mmdownsize.geometry import ResizeMap, TargetSize, whole_hw
from mmdownsize.notices import warn
from mmdownsize.preprocessors.fields import Fields
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.preprocessors.pair import PairMixin
from mmdownsize.preprocessors.samples import map_metainfo, resize_pixel_data
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SegDownsizePreprocessor(DownsizeMixin, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` with a downsizer before it. Takes the arguments of :class:`DownsizeMixin` too.

    ``size``, also that of ``test_cfg``, is the padded size (h, w) before downsizing, as existing configs have it (their crop
    size). It is scaled with the image: left as it is, small images would be padded back with the ignore label.
    ``size_divisor`` applies to the downsized image.

    Args:
        keep_labels: In training, leave label maps at the size that the pipeline delivers. mmseg's decode heads enlarge their
            logits to the size of the labels, so the loss is at full resolution: at a quarter of its size, a crack of two pixels
            is hardly in a label map. Predictions are compared at full resolution anyway. False: labels follow the image, by
            nearest neighbour.

    Raises:
        ValueError: Also if both ``size`` and ``size_divisor`` ask for padding, or if mmseg cannot pad as asked. With
            ``keep_labels``: if there are ``batch_augments``, or label maps of a batch differ in size without a ``size``, or
            padding to ``size`` would move them off their images, as a ``scale`` does to images that are smaller than ``size``.
    """

    def __init__(self, *args: Any, keep_labels: bool = False, **kwargs: Any) -> None:
        if kwargs.get('size') is not None and kwargs.get('scale') is None and kwargs.get('scale_factor') is None:
            raise Refusal(
                f'size={kwargs["size"]!r} is the size (h, w) that mmseg pads to, and there is no target: for the size that '
                'images are resized to, say scale=(w, h), or scale_factor'
            )
        super().__init__(*args, **kwargs)
        self.keep_labels = flag('keep_labels', keep_labels)
        if self.keep_labels and self.batch_augments is not None:
            raise Refusal(
                'keep_labels=True does not go with batch_augments, which change images and labels of one size: leave one out'
            )
        if self.batch_augments is not None and not callable(self.batch_augments):
            raise Refusal(
                f'mmseg calls batch_augments and does not build it, got {self.batch_augments!r}: leave it out'
            )
        self._warned_of_padded_depth = False
        self._source_size = _padding('', self.size, self.size_divisor)
        self.size = self.padded_size(self.target)
        if self.test_cfg:
            known = isinstance(self.test_cfg, Mapping) and self.test_cfg.keys() <= {'size', 'size_divisor'}
            size, divisor = (self.test_cfg.get(key) if known else None for key in ('size', 'size_divisor'))
            if size is None and divisor is None:
                raise Refusal(f'test_cfg must have size or size_divisor alone, got {self.test_cfg!r}: or leave it out')
            size = _padding('test_cfg.', size, divisor)
            self.test_cfg = dict(size=None if size is None else self.target.of(size), size_divisor=divisor)

    def padded_size(self, target: TargetSize) -> tuple[int, int] | None:
        """Return the size (h, w) in px that a training batch is padded to at ``target``; None if there is no ``size``."""
        return None if self._source_size is None else target.of(self._source_size)

    def check_sizes(self, maps: Sequence[ResizeMap], target: TargetSize, training: bool) -> None:
        """Check that mmseg can make one batch of these images.

        Raises:
            ValueError: If they differ in size at test time, or do not fit into ``size`` in training, or nothing says how to pad.
        """
        if training:
            size, divisor = self.padded_size(target), self.size_divisor
        else:
            size, divisor = (self.test_cfg or {}).get('size'), (self.test_cfg or {}).get('size_divisor')
        if training and size is None and divisor is None:
            raise Refusal('mmseg pads every training batch, got size=None and size_divisor=None: say size_divisor=1')
        different = sorted({resize_map.dst_hw for resize_map in maps})
        too_large = [hw for hw in different if size is not None and (hw[0] > size[0] or hw[1] > size[1])]
        # At test time mmseg asks for one size, whatever the padding.
        if len(different) > 1 and (not training or too_large):
            room = f', which do not fit into size={size}' if too_large else ''
            raise Refusal(
                f'images of a batch must have one size, got {different} (h, w) once downsized{room}: crop or resize in the '
                'pipeline, or take batch_size=1'
            )

    def padding_to(self, divisor: int) -> str:
        """Return the settings that pad downsized images to multiples of ``divisor`` px, for a message."""
        return f'size=None, size_divisor={divisor}, test_cfg=dict(size_divisor={divisor})'

    def map_samples(
        self, samples: Sequence[SegDataSample] | None, maps: Sequence[ResizeMap], training: bool
    ) -> Sequence[SegDataSample]:
        """Return new samples that fit the downsized images, also for images that come without."""
        # Without samples mmseg predicts at the size it is fed: the caller would silently get small maps.
        return prediction_samples(maps) if samples is None else super().map_samples(samples, maps, training)

    def map_sample(self, sample: SegDataSample, resize_map: ResizeMap, training: bool) -> SegDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_seg_sample(sample, resize_map, training, self.keep_labels, self.fields)

    def hand_on(self, data: dict[str, Any], target: TargetSize, training: bool) -> dict[str, Any]:
        """Return what mmseg makes of a batch that was downsized to ``target``, padded to the size of that target."""
        data = self._padded_with_labels(data, target, training)
        if training:
            self._warn_of_padded_depth(data['data_samples'])
        return data

    def _padded_with_labels(self, data: dict[str, Any], target: TargetSize, training: bool) -> dict[str, Any]:
        if not (training and self.keep_labels):
            return self._padded(data, target, training)
        labels = [_take_labels(sample) for sample in data['data_samples']]  # mmseg would pad them as it does the image
        different = sorted({tuple(pixels.shape[-2:]) for maps in labels for pixels in maps.values()})
        if self._source_size is None and len(different) > 1:
            raise Refusal(
                f'keep_labels=True needs label maps of one size in a batch, got {different} (h, w): crop in the pipeline, or '
                'say size=(h, w) to pad to'
            )
        small = [tuple(image.shape[-2:]) for image in data['inputs']]
        data = self._padded(data, target, training)
        padded_hw = data['inputs'].shape[-2:]
        for sample, maps, image_hw in zip(data['data_samples'], labels, small):
            for name, pixels in maps.items():
                hw = self._kept_hw(pixels.shape[-2:], image_hw, padded_hw)
                setattr(sample, name, _pad_labels(pixels, hw, self.seg_pad_val))
            sample.set_metainfo(dict(pad_shape=tuple(padded_hw)))
        return data

    def _warn_of_padded_depth(self, samples: Sequence[SegDataSample]) -> None:
        padded = any('gt_depth_map' in sample and any(sample.get('padding_size', ())) for sample in samples)
        if padded and self.seg_pad_val > 0 and not self._warned_of_padded_depth:
            self._warned_of_padded_depth = True
            warn(
                f'gt_depth_map is padded with seg_pad_val={self.seg_pad_val}, which a loss takes for a measured depth: say '
                'seg_pad_val=0, which is none'
            )

    def _kept_hw(self, src_hw: Sequence[int], dst_hw: Sequence[int], padded_hw: Sequence[int]) -> tuple[int, int]:
        """Return the size (h, w) that label maps of full resolution are padded to, when their image is from dst to padded."""
        if self._source_size is None:
            h, w = (round(src * padded / dst) for src, padded, dst in zip(src_hw, padded_hw, dst_hw))
            return h, w
        # Sizes are whole px, so the edges of image and labels may be up to one px of the small image apart.
        sides = zip(src_hw, dst_hw, padded_hw, self._source_size)
        if any(abs(src * padded / size - dst) > 1 for src, dst, padded, size in sides):
            raise Refusal(
                f'keep_labels=True: label maps of {tuple(src_hw)} (h, w) padded to size={self._source_size} are not where their '
                f'image is, {tuple(dst_hw)} padded to {tuple(padded_hw)}: crop to that size in the pipeline, or say scale_factor '
                'in place of scale, or size_divisor=1 in place of size'
            )
        return self._source_size

    def _padded(self, data: dict[str, Any], target: TargetSize, training: bool) -> dict[str, Any]:
        if not training or target == self.target:
            return super().hand_on(data, target, training)
        # mmseg reads the size from its preprocessor: one that is the same but for the size, and shares all parts.
        resized = copy.copy(self)
        resized.size = self.padded_size(target)
        return super(SegDownsizePreprocessor, resized).hand_on(data, target, training)


@MODELS.register_module()
class SegPairDownsizePreprocessor(PairMixin, SegDownsizePreprocessor):
    """:class:`SegDownsizePreprocessor` that, in training, also returns the images at full resolution, as ``full``.

    For :class:`mmdownsize.fitting.self_distillation.SelfDistilledEncoderDecoder`. ``size`` and ``size_divisor`` pad downsized
    images only. Those at full resolution are as the pipeline delivers them, and the model leaves out what was padded.

    Raises:
        ValueError: If there is a ``test_cfg``, which would pad at test time what is not padded in training; or with
            ``keep_labels``, which would have no effect.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.test_cfg:
            raise Refusal('SegPairDownsizePreprocessor does not take test_cfg: images are not padded at test time')
        if self.keep_labels:
            raise Refusal(
                'SegPairDownsizePreprocessor does not take keep_labels: its model reads no labels, leave it out'
            )


def map_seg_sample(
    sample: SegDataSample,
    resize_map: ResizeMap,
    training: bool,
    keep_labels: bool = False,
    fields: Fields | None = None,
) -> SegDataSample:
    """Return a sample whose every field fits the downsized image.

    Args:
        sample: Sample of the image before downsizing, which is left as it is.
        resize_map: The resize of its image.
        training: Whether to map the annotations (``gt_sem_seg``, ``gt_edge_map``, ``gt_depth_map``, and others). Otherwise only
            the metainfo is: metrics read annotations in original px.
        keep_labels: Leave label maps at their own size.
        fields: How its fields follow; None: as their names say.

    Returns:
        A new sample. A ``pad_shape`` of the pipeline is dropped: mmseg would resize its logits to it.

    Raises:
        ValueError: If a label map does not have the image's size.
    """
    fields = fields or Fields()
    mapped = sample.new()
    if training:
        kept = _take_labels(mapped) if keep_labels else {}
        mapped = fields.follow(mapped, resize_map)
        own = ResizeMap(resize_map.src_hw, resize_map.src_hw)
        for name, labels in kept.items():
            setattr(mapped, name, resize_pixel_data(labels, own))
    fields.set_metainfo(mapped, sample, resize_map)
    return mapped


def _labels(sample: SegDataSample) -> dict[str, PixelData]:
    """Return a sample's label maps by their names."""
    return {name: value for name, value in sample.items() if isinstance(value, PixelData) and name.startswith('gt_')}


def _take_labels(sample: SegDataSample) -> dict[str, PixelData]:
    """Take a sample's label maps out of it, and return them."""
    labels = _labels(sample)
    for name in labels:
        delattr(sample, name)
    return labels


def _pad_labels(labels: PixelData, hw: Sequence[int], value: float) -> PixelData:
    """Return label maps that are padded at the bottom and on the right, to the size (h, w)."""
    padding = (0, hw[1] - labels.shape[-1], 0, hw[0] - labels.shape[-2])
    return PixelData(
        metainfo=dict(labels.metainfo_items()),
        **{name: F.pad(maps, padding, value=value) for name, maps in labels.items()},
    )


def prediction_samples(maps: Sequence[ResizeMap]) -> list[SegDataSample]:
    """Return samples for images that come without: they bring predictions back to each image's size before downsizing."""
    metas = (dict(map_metainfo({}, resize_map), ori_shape=resize_map.src_hw) for resize_map in maps)
    return [SegDataSample(metainfo=meta) for meta in metas]


def _padding(where: str, size: Any, divisor: Any) -> tuple[int, int] | None:
    """Check a pair of ``size`` and ``size_divisor`` and return the size (h, w), if there is one."""
    if size is not None and divisor is not None:
        raise Refusal(
            f'{where}size={size!r} and {where}size_divisor={divisor!r} clash: mmseg pads to one of them, leave one out '
            f'(a config that inherits it says {where}size=None, or {where}size_divisor=None)'
        )
    if divisor is not None:
        check_divisor(f'{where}size_divisor', divisor)
    return None if size is None else whole_hw(f'{where}size', size)
