"""The data preprocessor for mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.structures import SegDataSample

from mmdownsize.geometry import ResizeMap, TargetSize, whole_hw
from mmdownsize.preprocessors.boundary import check_divisor
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.preprocessors.seg_samples import map_seg_sample, prediction_samples
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SegDownsizePreprocessor(DownsizeMixin, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` with a downsizer in front: see :class:`DownsizeMixin` for its arguments.

    ``size``, also that of ``test_cfg``, is the padding size (h, w) before downsizing, as existing configs have it
    (their crop size), and is scaled with the image; left as it is, small images would be padded back with the ignore
    label. ``size_divisor`` applies to the downsized image.

    Raises:
        ValueError: Also if padding is asked for twice, by ``size`` and ``size_divisor``, or in a way that mmseg cannot do.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.batch_augments is not None and not callable(self.batch_augments):
            raise Refusal(
                f'mmseg calls batch_augments and does not build it, got {self.batch_augments!r}: leave it out'
            )
        self._source_size = self.size
        self.size = self._padded_size('', self.size, self.size_divisor)
        if self.test_cfg:
            known = isinstance(self.test_cfg, Mapping) and self.test_cfg.keys() <= {'size', 'size_divisor'}
            size, divisor = (self.test_cfg.get(key) if known else None for key in ('size', 'size_divisor'))
            if size is None and divisor is None:
                raise Refusal(f'test_cfg must have size or size_divisor alone, got {self.test_cfg!r}: or leave it out')
            self.test_cfg = dict(size=self._padded_size('test_cfg.', size, divisor), size_divisor=divisor)

    def _padded_size(self, where: str, size: Any, divisor: Any) -> tuple[int, int] | None:
        if size is not None and divisor is not None:
            raise Refusal(
                f'{where}size={size!r} and {where}size_divisor={divisor!r} clash: mmseg pads to one of them, leave one out'
            )
        if divisor is not None:
            check_divisor(f'{where}size_divisor', divisor)
        return None if size is None else self.target.of(whole_hw(f'{where}size', size))

    def draw_target(self) -> TargetSize:
        """Return the target of a batch to train on, to which the padding size is scaled as well."""
        target = super().draw_target()
        if self.train_scale_factor is not None and self._source_size is not None:
            self.size = target.of(self._source_size)
        return target

    def check_sizes(self, sizes: Sequence[tuple[int, int]], training: bool) -> None:
        """Check that mmseg can make one batch of images of these sizes: see :class:`DownsizeMixin`."""
        padding = dict(size=self.size, size_divisor=self.size_divisor) if training else self.test_cfg or {}
        size, divisor = padding.get('size'), padding.get('size_divisor')
        if training and size is None and divisor is None:
            raise Refusal('mmseg pads every training batch, got size=None and size_divisor=None: say size_divisor=1')
        different = sorted(set(sizes))
        too_large = [hw for hw in different if size is not None and (hw[0] > size[0] or hw[1] > size[1])]
        if len(different) > 1 and (
            not training or too_large
        ):  # at test time mmseg asks for one size, whatever the padding
            room = f', which do not fit into size={size}' if too_large else ''
            raise Refusal(
                f'images of a batch must have one size, got {different} (h, w) once downsized{room}: crop or resize in the '
                'pipeline, or take batch_size=1'
            )

    def map_sample(self, sample: SegDataSample, resize_map: ResizeMap, training: bool) -> SegDataSample:
        """Return a new sample whose every field fits the downsized image."""
        return map_seg_sample(sample, resize_map, training)

    def _map_samples(
        self, samples: Sequence[SegDataSample] | None, maps: list[ResizeMap], training: bool
    ) -> Sequence[SegDataSample]:
        # Without samples mmseg predicts at the size it is fed: the caller would silently get small maps.
        return prediction_samples(maps) if samples is None else super()._map_samples(samples, maps, training)
