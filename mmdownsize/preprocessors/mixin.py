"""The order of steps before a model: to the device, sizes, downsize, map the samples, then the parent's own work."""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import initialize
from torch import Tensor, nn

from mmdownsize.arguments import check_keywords, is_range
from mmdownsize.checkpoints import below
from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.notices import warn
from mmdownsize.preprocessors import guards, limits, places
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.preprocessors.checks import (
    check_batch,
    check_colors,
    check_fits,
    check_images,
    check_pretrained,
    check_resized,
    check_samples,
)
from mmdownsize.preprocessors.fields import Fields, Rule
from mmdownsize.preprocessors.gradient_watch import GradientWatch
from mmdownsize.preprocessors.views import Views
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import BaseResizer


def _in_place_of(setting: str) -> str:
    """Return what to say instead of a setting that other libraries' resizes have."""
    return ': for the size that images are resized to, say scale=(w, h)' if setting == 'size' else ''


class DownsizeMixin:
    """Puts a downsizer before an OpenMMLab data preprocessor.

    A mixin rather than a wrapper: a config that changes ``type`` and adds ``downsizer`` and a target keeps everything else (mean,
    std, colour order, padding, batch augments). A subclass says how a sample is mapped.

    Resizing comes before normalisation. Every output pixel is a weighted mean of source pixels, so the order does not matter to
    the image, and padding, masks and augments all see the small one. Images are resized one size at a time and only then padded:
    a batch of mixed sizes gives exactly what single images give.

    Args:
        downsizer: Config of a resizer, such as ``dict(type='DownsizeNet')``, or a module called as ``module(images,
            (h, w))`` with ``images`` (N, C, H, W) in 0..255.
        scale_factor: The target as mmcv's ``Resize`` takes it, relative to the image that the pipeline delivers: a
            number or (w, h).
        scale: The target size in px instead: an integer or (w, h).
        keep_ratio: Whether to keep the aspect ratio; with ``scale``.
        train_scale_factor: A pair (lowest, highest). In training, every batch is resized by a factor drawn between them,
            log-uniformly, instead of the target: for a downsizer, or a model, that is to serve many sizes. PyTorch's generator
            draws it (``randomness.seed``).
        fields: How fields of samples that no OpenMMLab project has follow the image: ``dict(gaze='points')``, with one of
            :data:`mmdownsize.preprocessors.fields.RULES`. ``'same'``: it does not depend on the size.
        args: The parent's.
        kwargs: The parent's.

    Raises:
        ValueError: If there is no downsizer, its type is unknown, not exactly one target is given, or ``train_scale_factor`` is
            not such a pair; if ``fields`` names no such rule; or under DeepSpeed. Other modules that may not hold it raise when
            they take hold of it: see :mod:`mmdownsize.preprocessors.guards`.
        TypeError: If there is no setting of that name, or the downsizer cannot be called like one.
    """

    views: Views | None = None  # under test-time augmentation, see mmdownsize.preprocessors.guards

    def __init__(
        self,
        *args: Any,
        downsizer: Mapping[str, Any] | nn.Module | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        scale: int | tuple[int, int] | None = None,
        keep_ratio: bool = False,
        train_scale_factor: tuple[float, float] | None = None,
        fields: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        classes = [cls for cls in type(self).__mro__ if issubclass(cls, DownsizeMixin) and '__init__' in vars(cls)]
        ours = [vars(cls)['__init__'] for cls in classes]
        check_keywords(type(self).__name__, kwargs, *ours, super().__init__, otherwise=_in_place_of)
        if train_scale_factor is not None and not is_range(train_scale_factor):
            raise Refusal(f'train_scale_factor must be (lowest, highest), above 0, got {train_scale_factor!r}')
        target = TargetSize(scale_factor, scale, keep_ratio)
        rules = Fields(fields, self.more_rules())
        module = build_resizer(downsizer)
        guards.check_no_deepspeed(module)
        guards.watch_holders(DownsizeMixin)
        places.watch_holders(DownsizeMixin)
        check_colors(module, inspect.signature(super().__init__).bind_partial(*args, **kwargs).arguments)
        super().__init__(*args, **kwargs)
        self.target = target
        self.train_scale_factor = train_scale_factor
        self.fields = rules
        self.downsizer = module
        self._warned_of_identity = False
        self._gradient_watch = GradientWatch()
        self._limited_head: str | None = None
        self._warned_of_short_masks = False
        self.is_init = isinstance(downsizer, nn.Module)  # one that was built elsewhere keeps its weights

    @staticmethod
    def more_rules() -> Mapping[str, Rule]:
        """Return rules by which fields of samples follow the image, besides those for all packages."""
        return {}

    def init_weights(self) -> None:
        """Initialise the downsizer, after and in spite of an ``init_cfg`` of the model around it.

        A second call does nothing: mmengine asks ``is_init``.

        Raises:
            CheckpointError: If ``init_cfg`` names a checkpoint that does not hold such a downsizer.
        """
        if self.is_init:
            return
        if hasattr(self.downsizer, 'reset_parameters'):
            self.downsizer.reset_parameters()
        if getattr(self.downsizer, 'init_cfg', None):
            check_pretrained(self.downsizer.init_cfg, self.downsizer)
            initialize(self.downsizer, self.downsizer.init_cfg)
        self.is_init = True

    def __call__(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Run :meth:`forward`, then check from outside that images to train on carry a gradient.

        Raises:
            ValueError: If the downsizer is trainable and they do not, as under activation checkpointing.
        """
        out = super().__call__(data, training)
        if training:
            guards.check_gradient(self.downsizer, out['inputs'])
        return out

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize a batch and its annotations, then do what the parent does.

        Args:
            data: ``inputs``, a list of images (C, H, W) or a stack (N, C, H, W), uint8 or floating point in 0..255; and
                ``data_samples``, one for each image, or None when not training.
            training: Whether annotations are mapped. Otherwise only what the model reads at test time is: metrics compare with
                annotations in original coordinates.

        Returns:
            The parent's result; the given data are not changed.

        Raises:
            TypeError: If ``data``, ``inputs`` or a sample has a wrong type.
            ValueError: If an image, a sample or an annotation is not as described; if a target has no pixels; if the downsizer
                returns another size than asked for; if the parent cannot make one batch of the result; or if it makes one size
                of the sizes of test-time augmentation. NaN and infinite pixels raise it where the result depends on them.
        """
        check_batch(data)
        data = self.cast_data(data)
        images, samples = data['inputs'], data.get('data_samples')
        check_images(images, getattr(self, 'mean', None))
        check_samples(samples, len(images), training)
        if training:
            self._gradient_watch.before_batch(self.downsizer)
        target = self.draw_target() if training else self.target
        maps = [ResizeMap(src_hw, target.of(src_hw)) for src_hw in (tuple(image.shape[-2:]) for image in images)]
        if self._limited_head:
            limits.check_maps(self._limited_head, maps)
        self.check_sizes(maps, target, training)
        if self.views is not None and target.scale is not None and not training:
            self.views.check(samples, maps, target)
        self._warn_of_identity(maps)
        data['inputs'] = self.downsize(images, maps)
        data['data_samples'] = self.map_samples(samples, maps, training)
        out = self.hand_on(data, target, training)
        if self._limited_head and not training:
            limits.check_padding(self._limited_head, maps, out)
            if not self._warned_of_short_masks:
                self._warned_of_short_masks = limits.warn_of_short_masks(self._limited_head, out)
        return out

    def heed(self, head: str) -> None:
        """Raise an error from now on for batches of which a head of the model would make wrong predictions.

        Args:
            head: Name of the head, one of those in :mod:`mmdownsize.preprocessors.limits`.

        Raises:
            ValueError: If the target says two factors already.
        """
        limits.check_target(head, self.target)
        self._limited_head = head

    def padding_to(self, divisor: int) -> str:
        """Return the settings that pad downsized images to multiples of ``divisor`` px, for a message."""
        return f'pad_size_divisor={divisor}'

    def draw_target(self) -> TargetSize:
        """Return the target of a batch to train on."""
        if self.train_scale_factor is None:
            return self.target
        if self.train_scale_factor[0] == self.train_scale_factor[1]:
            return TargetSize(scale_factor=self.train_scale_factor[0])
        low, high = (math.log(factor) for factor in self.train_scale_factor)
        return TargetSize(scale_factor=math.exp(low + (high - low) * torch.rand(()).item()))

    def check_sizes(self, maps: Sequence[ResizeMap], target: TargetSize, training: bool) -> None:
        """Check that the parent can make one batch of images of these sizes. It can unless a subclass says so.

        Args:
            maps: The resize of each image.
            target: The batch's target.
            training: Whether the batch is trained on.

        Raises:
            ValueError: If it cannot.
        """

    def downsize(self, images: Tensor | Sequence[Tensor], maps: Sequence[ResizeMap]) -> Tensor | list[Tensor]:
        """Return the small images, a stack for a stack and a list for a list. Images of one size are one call."""
        if isinstance(images, Tensor):
            return self._resized(images, maps[0].dst_hw)
        groups: dict[Any, list[int]] = defaultdict(list)
        for i, image in enumerate(images):
            groups[image.shape, image.dtype].append(i)
        guards.check_statistics(self.downsizer, len(groups))
        resized: dict[int, Tensor] = {}
        for members in groups.values():
            batch = torch.stack([images[i] for i in members])
            resized.update(zip(members, self._resized(batch, maps[members[0]].dst_hw)))
        return [resized[i] for i in range(len(images))]

    def map_samples(
        self, samples: Sequence[Any] | None, maps: Sequence[ResizeMap], training: bool
    ) -> Sequence[Any] | None:
        """Return new samples that fit the downsized images; None where there are none."""
        if samples is None:
            return None
        return [self.map_sample(sample, resize_map, training) for sample, resize_map in zip(samples, maps)]

    def map_sample(self, sample: Any, resize_map: ResizeMap, training: bool) -> Any:
        """Return a new sample whose every field fits the downsized image."""
        raise NotImplementedError

    def hand_on(self, data: dict[str, Any], target: TargetSize, training: bool) -> dict[str, Any]:
        """Return what the parent makes of a batch that was downsized to ``target``."""
        return super().forward(data, training)

    def normalise(self, images: Tensor | Sequence[Tensor]) -> Tensor | list[Tensor]:
        """Return images as the parent hands them to a model at test time, without downsizing.

        Args:
            images: A list of (C, H, W) or a stack (N, C, H, W), in 0..255.

        Returns:
            (N, C, H, W), or where they differ in size a list of (C, H, W).
        """
        if len({image.shape for image in images}) == 1:
            return super().forward(dict(inputs=images))['inputs']
        return [self.normalise([image])[0] for image in images]

    def _resized(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        # Ours take uint8. Somebody else's resizer need not, and may return anything.
        ours = isinstance(self.downsizer, BaseResizer)
        out = self.downsizer(images if ours or images.is_floating_point() else images.float(), dst_hw)
        check_resized(images, out, dst_hw, type(self.downsizer).__name__)
        return out

    def _warn_of_identity(self, maps: Sequence[ResizeMap]) -> None:
        if self.target.scale is None or self._warned_of_identity or not all(one.is_identity for one in maps):
            return
        self._warned_of_identity = True
        warn(
            f'images come at the size {maps[0].dst_hw} (h, w) that they are to be resized to: nothing is left to downsize. '
            'Take the Resize out of the pipeline (mmdownsize swap --take-resize)'
        )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        places.place(DownsizeMixin, self, state_dict, prefix)
        given = below(state_dict, f'{prefix}downsizer.')
        # A checkpoint of the model without a downsizer has no such key, and is what a downsizer starts from.
        if given and self.downsizer.state_dict():
            check_fits(given, self.downsizer, 'the checkpoint')
        super()._load_from_state_dict(state_dict, prefix, *args)
