"""A segmentor that learns from its own predictions at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmdownsize.fitting.memory import PredictionMemory
from mmdownsize.notices import warn
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import FixedResizer
from mmdownsize.resizers.fixed import NAMES

MEBIBYTE = 2**20
LINEAR = {kernel for kernel, _ in NAMES}  # normalising before or after them is the same


@MODELS.register_module()
class SelfDistilledEncoderDecoder(EncoderDecoder):
    """Train the downsizer before mmseg's ``EncoderDecoder`` without labels.

    The target is the model's own prediction at full resolution. It says, pixel by pixel and class by class, what downsizing
    loses; the labels of a few images would favour frequent classes. The loss is the Kullback-Leibler divergence of the
    prediction on the downsized image from that target, averaged over the pixels that are not padding. Both are resized to the
    downsized image's size (bilinear, antialiased). For a head with one channel (``out_channels=1``) the two classes are the
    sigmoid and its complement.

    Use it with :class:`mmdownsize.fitting.train_only.TrainOnlyHook`, so that only the downsizer is trained, and with
    ``data_preprocessor=dict(type='mmdownsize.SegPairDownsizePreprocessor', ...)``. Weights have the names of
    ``EncoderDecoder``: its checkpoints load, and predictions are the same.

    A network whose strides do not divide its input needs another downsizer at another size. So this model warns when it
    predicts on an image that is larger or smaller than all that it was trained on.

    Args:
        *args: Passed to ``EncoderDecoder``.
        memory_mb: Mebibytes of memory for predictions at full resolution, kept for the next epoch as float16 logits of the
            head's size (:class:`mmdownsize.fitting.memory.PredictionMemory`). Computing them takes most of a step. Epochs after
            the first are several times as fast if the images recur exactly: with flips and any target size, but without
            random colours and crops. 0: none are kept.
        memory_folder: Folder that keeps the same predictions for other trainings of the same model: other seeds, other
            downsizers. Several models may share it. Its size has no limit. ``memory_mb`` may be 0. None: no folder.
        class_balance: From 0, each pixel counts the same, to 1, each class counts the same. A class that covers the share s of
            the images has the weight s ** (1 - class_balance) in the loss. A pixel belongs to a class as far as either prediction
            says so, as in an intersection over union. The shares are those of all images of this training so far, because
            most classes are absent from a single batch. The buffer ``class_pixels`` counts them: it is saved in checkpoints, and
            a checkpoint without it loads.
        beside: Fixed kernels, such as ``('bilinear', 'area')``. Their loss on the same batch is logged as ``kl_bilinear`` and so
            on, beside ``kl_downsizer``, which is the loss of that batch. The model must be frozen.
        beside_interval: Steps between two such batches.
        **kwargs: Passed to ``EncoderDecoder``.

    Raises:
        ValueError: If ``memory_mb`` is negative, ``memory_folder`` is empty, ``class_balance`` is outside 0..1, ``beside`` has a
            name that is not that of a linear kernel, or ``beside_interval`` is below 1. In mode ``'loss'``: if there is a memory
            or ``beside`` and the model is not frozen, or if a file in the folder is damaged.
    """

    frozen_parts_predict = True  # for TrainOnlyHook: in training too

    def __init__(
        self,
        *args: Any,
        memory_mb: int = 0,
        memory_folder: str | None = None,
        class_balance: float = 0.0,
        beside: Sequence[str] = (),
        beside_interval: int = 10,
        **kwargs: Any,
    ) -> None:
        if isinstance(memory_mb, bool) or not isinstance(memory_mb, int) or memory_mb < 0:
            raise Refusal(f'memory_mb must be an integer of at least 0, got {memory_mb!r}')
        if memory_folder is not None and (not isinstance(memory_folder, str) or not memory_folder):
            raise Refusal(f'memory_folder must be the name of a folder or None, got {memory_folder!r}')
        if isinstance(class_balance, bool) or not isinstance(class_balance, Real) or not 0 <= class_balance <= 1:
            raise Refusal(f'class_balance must be a number from 0 to 1, got {class_balance!r}')
        if isinstance(beside, str) or not set(beside) <= LINEAR:
            raise Refusal(f'beside must be some of {", ".join(sorted(LINEAR))}, got {beside!r}')
        if isinstance(beside_interval, bool) or not isinstance(beside_interval, int) or beside_interval < 1:
            raise Refusal(f'beside_interval must be an integer of at least 1, got {beside_interval!r}')
        super().__init__(*args, **kwargs)
        self._beside = {kernel: FixedResizer(kernel=kernel) for kernel in beside}
        self._beside_interval = beside_interval
        self._steps = 0
        remembers = memory_mb or memory_folder is not None
        self.memory = PredictionMemory(memory_mb * MEBIBYTE, memory_folder) if remembers else None
        self.class_balance = float(class_balance)
        self._fitted_sizes: set[tuple[int, int]] = set()
        if class_balance:
            self.register_buffer('class_pixels', torch.zeros(max(self.out_channels, 2), dtype=torch.float64))

    def forward(
        self,
        inputs: Tensor,
        data_samples: Any = None,
        mode: str = 'tensor',
        full: Tensor | Sequence[Tensor] | None = None,
    ) -> Any:
        """Return the loss as ``{'loss_kl': ...}``, now and then with those of ``beside``, or what ``EncoderDecoder`` returns.

        Args:
            inputs: Downsized images (N, C, h, w), normalised and padded.
            data_samples: In mode ``'loss'`` only ``img_shape`` is read, the size (h, w) without padding. None: no padding.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.
            full: In mode ``'loss'``: the same images at full resolution, normalised and not padded, (N, C, H, W) or a list of
                (C, H, W).

        Raises:
            ValueError: If ``full`` is missing in mode ``'loss'``.
        """
        hw: tuple[int, int] = tuple(inputs.shape[-2:])
        if mode != 'loss':
            self._warn_of_other_sizes(hw)
            return super().forward(inputs, data_samples, mode)
        if full is None:
            raise Refusal(
                'SelfDistilledEncoderDecoder needs the full image too, and data_preprocessor does not return it: '
                "set its type to 'mmdownsize.SegPairDownsizePreprocessor'"
            )
        sizes = [tuple(sample.img_shape[:2]) for sample in data_samples] if data_samples else [hw] * len(inputs)
        self._fitted_sizes.add(hw)
        if isinstance(full, Tensor) and all(size == hw for size in sizes):
            wanted, inside = _log_probability(self._wanted(full), hw), inputs.new_ones(len(inputs), 1, *hw)
        else:
            wanted, inside = self._wanted_inside(full, sizes, hw)
        loss = self._divergence(inputs, wanted, inside, count=True)
        losses = {'loss_kl': loss}
        if self._beside and self._steps % self._beside_interval == 0:
            self._check_frozen('beside compares predictions', 'leave out beside')
            losses['kl_downsizer'] = loss.detach()
            with torch.no_grad():
                for kernel, resizer in self._beside.items():
                    resized = inputs.detach().clone()  # with its padding
                    for out, image, size in zip(resized, full, sizes, strict=True):
                        out[:, : size[0], : size[1]] = resizer.resize(image[None], size)[0]
                    losses[f'kl_{kernel}'] = self._divergence(resized, wanted, inside, count=False)
        self._steps += 1
        return losses

    def _divergence(self, inputs: Tensor, wanted: Tensor, inside: Tensor, count: bool) -> Tensor:
        """Return the divergence of the prediction on ``inputs`` from log probabilities, inside a mask.

        Args:
            inputs: Downsized images (N, C, h, w).
            wanted: Log probabilities (N, classes, h, w).
            inside: (N, 1, h, w), 1 in the image, 0 in the padding.
            count: Whether the pixels of every class are counted.
        """
        found = _log_probability(self._logits(inputs), inputs.shape[-2:])
        probability = wanted.exp() * inside
        by_pixel = (probability * (wanted - found)).sum(1)
        if not self.class_balance:
            return by_pixel.sum() / inside.sum()
        either = probability + found.detach().exp() * inside
        if count:
            self.class_pixels += either.sum((0, 2, 3), dtype=torch.float64)
        weight = self._weight(either)
        return (weight * by_pixel).sum() / weight.sum()

    def _warn_of_other_sizes(self, hw: tuple[int, int]) -> None:
        """Warn once if an image to predict is larger or smaller than all that the downsizer was trained on."""
        if not self._fitted_sizes or all(
            min(seen) <= side <= max(seen) for side, seen in zip(hw, zip(*self._fitted_sizes))
        ):
            return
        (low_h, high_h), (low_w, high_w) = ((min(seen), max(seen)) for seen in zip(*self._fitted_sizes))
        self._fitted_sizes.clear()
        warn(
            f'this downsizer is fitted to images of {low_h} to {high_h} x {low_w} to {high_w} px (h x w, downsized and padded), '
            f'and is tested with {hw[0]} x {hw[1]}: a network whose strides do not divide the size needs another downsizer at '
            'another size. Fit it to whole images, as mmdownsize swap --fit does'
        )

    def _wanted_inside(
        self, full: Tensor | Sequence[Tensor], sizes: Sequence[tuple[int, int]], hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return log probabilities (N, classes, h, w) and a mask (N, 1, h, w): 1 in the image, 0 in the padding.

        Each full image goes through the model alone and without padding. The downsized size is rounded, so the pixels of two
        padded images would not match.
        """
        wanted, inside = [], []
        for image, (h, w) in zip(full, sizes, strict=True):
            rest = (0, hw[1] - w, 0, hw[0] - h)
            own = _log_probability(self._wanted(image[None]), (h, w))
            wanted.append(F.pad(own, rest))
            inside.append(F.pad(own.new_ones(1, 1, h, w), rest))
        return torch.cat(wanted), torch.cat(inside)

    def _weight(self, either: Tensor) -> Tensor:
        shares = (self.class_pixels / self.class_pixels.sum()).to(either)
        by_class = shares.clamp(min=torch.finfo(shares.dtype).tiny).pow(-self.class_balance)  # finite, if never seen
        return (either * by_class[:, None, None]).sum(1)  # autocast would take a product of matrices in float16

    def _wanted(self, full: Tensor) -> Tensor:
        if self.memory is None:
            with torch.no_grad():
                return self._logits(full)
        self._check_frozen('memory_mb and memory_folder keep the predictions', 'set memory_mb=0, memory_folder=None')
        return self.memory.recall(full, self._logits_from_highest)

    def _check_frozen(self, what: str, way_out: str) -> None:
        trained = [name for name, part in self.named_children() if name != 'data_preprocessor' and _is_trained(part)]
        if trained:
            raise Refusal(
                f'{what} of a frozen model, and {", ".join(trained)} is being trained: '
                f"freeze it with custom_hooks=[dict(type='mmdownsize.TrainOnlyHook')], or {way_out}"
            )

    def _logits(self, images: Tensor) -> Tensor:
        logits = self._forward(images)
        # A sigmoid is a softmax with a second class whose logit is 0. The divergence of one channel alone is always 0.
        return F.pad(logits, (0, 0, 0, 0, 1, 0)) if self.out_channels == 1 else logits

    def _logits_from_highest(self, images: Tensor) -> Tensor:
        logits = self._logits(images)
        # Softmax stays the same, also after interpolation, and float16 is precise enough however large the logits are.
        return logits - logits.amax(1, keepdim=True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        if self.class_balance:  # a checkpoint of EncoderDecoder has counted nothing
            state_dict.setdefault(f'{prefix}class_pixels', torch.zeros_like(self.class_pixels))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if self.memory is not None:  # the weights are now those of another model
            self.memory.clear()


def _log_probability(logits: Tensor, hw: Sequence[int]) -> Tensor:
    return F.interpolate(logits.float(), size=tuple(hw), mode='bilinear', antialias=True).log_softmax(1)


def _is_trained(part: nn.Module) -> bool:
    return any(module.training for module in part.modules()) or any(p.requires_grad for p in part.parameters())
