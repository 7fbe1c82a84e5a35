"""The order of steps in front of a model: to the device, downsize, map the annotations, then the parent's own work."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import initialize
from torch import Tensor, nn

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.preprocessors import holders
from mmdownsize.preprocessors.boundary import check_batch, check_images, check_resized, check_samples, is_range
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.preprocessors.keywords import check_keywords
from mmdownsize.preprocessors.weights import check_fits, check_pretrained
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import BaseResizer


class DownsizeMixin:
    """Puts a downsizer in front of an OpenMMLab data preprocessor.

    A mixin rather than a wrapper, so that a config that changes ``type`` and adds ``downsizer`` and a target keeps
    everything else by merge: mean, std, colour order, padding, batch augments. A subclass says how a sample is mapped.

    Resizing comes before normalisation: every output pixel is a weighted mean of source pixels, so the order does not
    matter to the image, and padding, masks and augments all see the small one. Images are resized one size at a time
    and only then padded, so a batch of mixed sizes gives exactly what single images give.

    Args:
        downsizer: Config of a resizer, such as ``dict(type='DownsizeNet')``, or a module called as ``module(images,
            (h, w))`` with ``images`` (N, C, H, W) in 0..255.
        scale_factor: The target as mmcv's ``Resize`` takes it, relative to the image that the pipeline delivers: a
            number or (w, h).
        scale: The target size in px instead: an integer or (w, h).
        keep_ratio: Whether to keep the aspect ratio; with ``scale``.
        train_scale_factor: A pair (lowest, highest). While training, every batch is resized by a factor drawn between
            them, log-uniformly, instead of the target: for a downsizer, or a model, that is to serve many sizes. The
            draw is PyTorch's (``randomness.seed``).
        args: The parent's.
        kwargs: The parent's.

    Raises:
        ValueError: If there is no downsizer, its type is unknown, not exactly one target is given, or
            ``train_scale_factor`` is no such pair; or under DeepSpeed. What else may not hold it raises when it takes
            hold of it: see :mod:`mmdownsize.preprocessors.holders`.
        TypeError: If there is no setting of that name, or the downsizer cannot be called like one.
    """

    def __init__(
        self,
        *args: Any,
        downsizer: Mapping[str, Any] | nn.Module | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        scale: int | tuple[int, int] | None = None,
        keep_ratio: bool = False,
        train_scale_factor: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        check_keywords(type(self).__name__, kwargs, DownsizeMixin.__init__, super().__init__)
        if train_scale_factor is not None and not is_range(train_scale_factor):
            raise Refusal(f'train_scale_factor must be (lowest, highest), above 0, got {train_scale_factor!r}')
        target = TargetSize(scale_factor, scale, keep_ratio)
        module = build_resizer(downsizer)
        if list(module.parameters()):
            holders.refuse_deepspeed()
        super().__init__(*args, **kwargs)
        self.target = target
        self.train_scale_factor = train_scale_factor
        self.downsizer = module
        self._warned_of_identity = False
        self.is_init = isinstance(downsizer, nn.Module)  # one that was built elsewhere keeps its weights

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

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Downsize a batch and its annotations, then do what the parent does.

        Args:
            data: ``inputs``, a list of images (C, H, W) or a stack (N, C, H, W), uint8 or floating point in 0..255; and
                ``data_samples``, one an image, or None when not training.
            training: Whether annotations take part. Without it only what the model reads at test time is mapped:
                metrics compare with annotations in original coordinates.

        Returns:
            The parent's result; the given data are not changed.

        Raises:
            TypeError: If ``data`` or ``inputs`` are not such, or a sample is none.
            ValueError: If there are no images, their rank or channels are wrong, they have no pixels, or NaN or infinite
                ones that the result depends on (uint8 cannot hold them, others are looked at once downsized); if a target
                has no pixels, samples are missing or too few, an annotation does not have its image's size, the
                downsizer gives another size than asked for or shall be trained and cannot be, or the parent cannot make one
                batch of the result.
        """
        check_batch(data)
        data = self.cast_data(data)
        images, samples = data['inputs'], data.get('data_samples')
        check_images(images, getattr(self, 'mean', None))
        check_samples(samples, len(images), training)
        target = self.draw_target() if training else self.target
        maps = [ResizeMap(src, target.of(src)) for src in (tuple(image.shape[-2:]) for image in images)]
        self.check_sizes([resize_map.dst_hw for resize_map in maps], training)
        self._warn_of_identity(maps)
        data['inputs'] = self._downsize(images, maps)
        if training:
            self._check_gradient(data['inputs'])
        data['data_samples'] = self._map_samples(samples, maps, training)
        return super().forward(data, training)

    def draw_target(self) -> TargetSize:
        """Return the target of a batch to train on."""
        if self.train_scale_factor is None:
            return self.target
        low, high = (math.log(factor) for factor in self.train_scale_factor)
        return TargetSize(scale_factor=math.exp(low + (high - low) * torch.rand(()).item()))

    def _map_samples(
        self, samples: Sequence[Any] | None, maps: list[ResizeMap], training: bool
    ) -> Sequence[Any] | None:
        if samples is None:
            return None
        return [self.map_sample(sample, resize_map, training) for sample, resize_map in zip(samples, maps)]

    def map_sample(self, sample: Any, resize_map: ResizeMap, training: bool) -> Any:
        """Return a new sample whose every field fits the downsized image."""
        raise NotImplementedError

    def check_sizes(self, sizes: Sequence[tuple[int, int]], training: bool) -> None:
        """Check that the parent can make one batch of images of these sizes (h, w) in px; it can unless a subclass says so.

        Raises:
            ValueError: If it cannot.
        """

    def _warn_of_identity(self, maps: Sequence[ResizeMap]) -> None:
        if self.target.scale is None or self._warned_of_identity or not all(one.is_identity for one in maps):
            return
        self._warned_of_identity = True
        warnings.warn(
            f'images come at the size {maps[0].dst_hw} (h, w) that they are to be resized to: nothing is left to downsize. '
            'Take the Resize out of the pipeline (tools/swap_resizer.py --take-resize)',
            stacklevel=3,
        )

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        own = f'{prefix}downsizer.'
        given = {key.removeprefix(own): value for key, value in state_dict.items() if key.startswith(own)}
        expected = self.downsizer.state_dict()
        # A model's checkpoint from before it had a downsizer has no such key, and is what a downsizer starts from.
        if given and expected:
            check_fits(given, expected, 'the checkpoint')
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _downsize(self, images: Tensor | Sequence[Tensor], maps: list[ResizeMap]) -> Tensor | list[Tensor]:
        if isinstance(images, Tensor):
            return self._resized(images, maps[0].dst_hw)
        groups: dict[Any, list[int]] = defaultdict(list)
        for i, image in enumerate(images):
            groups[image.shape, image.dtype].append(i)
        if len(groups) > 1:
            self._check_statistics(len(groups))
        resized: dict[int, Tensor] = {}
        for members in groups.values():
            batch = torch.stack([images[i] for i in members])
            resized.update(zip(members, self._resized(batch, maps[members[0]].dst_hw)))
        return [resized[i] for i in range(len(images))]

    def _resized(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        # A resizer of somebody else's need not know integers, and may do anything.
        ours = isinstance(self.downsizer, BaseResizer)
        out = self.downsizer(images if ours or images.is_floating_point() else images.float(), dst_hw)
        check_resized(images, out, dst_hw, type(self.downsizer).__name__)
        return out

    def _check_gradient(self, resized: Tensor | Sequence[Tensor]) -> None:
        if not any(parameter.requires_grad for parameter in self.downsizer.parameters()):
            return
        if torch.is_grad_enabled():
            lost = len(resized) > 0 and not any(image.requires_grad for image in resized)
        else:
            lost = 'forward' in vars(self)  # wrapped as a whole, and not just called without gradients
        if lost:
            raise Refusal(
                'the downsizer shall be trained and its output carries no gradient: mmengine wraps what activation_checkpointing '
                'names in a way that needs an input with one, which an image has not. Leave data_preprocessor out of it: '
                'DownsizeNet keeps no feature maps anyway'
            )

    def _check_statistics(self, calls: int) -> None:
        if any(module.training and type(module).__name__ == 'SyncBatchNorm' for module in self.downsizer.modules()):
            raise Refusal(
                f'SyncBatchNorm in the downsizer: this batch has images of {calls} sizes, each a call of its own, and processes '
                'with other numbers of sizes would wait for it for ever. Give all images one size in the pipeline, or leave '
                'out sync_bn'
            )


holders.guard(DownsizeMixin)
