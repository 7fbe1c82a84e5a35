"""The segmentor that learns from itself."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmdownsize.fitting.memory import PredictionMemory
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

MEBIBYTE = 2**20


@MODELS.register_module()
class SelfDistilledEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` that learns from itself.

    Where the labels of a few images would have the downsizer favour frequent classes, the model's own prediction at full
    resolution says, pixel by pixel and class by class, what is lost by downsizing; no label is read. The loss is the
    Kullback-Leibler divergence of the prediction on the downsized image from it, both brought to the downsized image's
    size (bilinear, antialiased), averaged over pixels, without those of padding. A head of one channel (``out_channels=1``)
    says by its sigmoid which of two classes it is; the divergence is that of both.

    A network whose strides do not divide its input asks for another downsizer at another size, so it warns when, after training
    on crops, say, it predicts on images of a size that is not among those trained on.

    Combine it with :class:`mmdownsize.fitting.train_only.TrainOnlyHook`, so that nothing but the downsizer is trained, and
    with ``data_preprocessor=dict(type='mmdownsize.SegPairDownsizePreprocessor', ...)``. Weights have the names of
    ``EncoderDecoder``: its checkpoints fit, and a prediction is its own.

    Args:
        *args: ``EncoderDecoder``'s.
        memory_mb: Mebibytes for predictions at full resolution that are kept for the next epoch (float16 logits of the size
            that the head gives them; see :class:`PredictionMemory`). They take most of a step's time, and a finished model
            gives the same again, so epochs after the first are several times as fast if images recur exactly: flipped or
            not, at whatever target size, but without random colours and crops. 0: none are kept.
        memory_folder: Keep these predictions there, too, for other trainings of the same model: other seeds, other downsizers.
            Several models may share a folder; what others have said is not taken for this one's. There is no bound but the
            disk's, and ``memory_mb`` may be 0.
        class_balance: How classes share in the loss. 0: each pixel counts as much as any other, so that what covers the
            images decides. 1: each class does, whatever part of the images is its own. Between them, a class that has the
            share s of them weighs s ** (1 - class_balance). As in an intersection over union, a pixel is of a class as far
            as either prediction says so: what is missed counts, and what is claimed in vain. The shares are those of all
            images of this training so far: in a batch alone most classes may be absent, and what little probability they
            have there is noise. They are counted in the buffer ``class_pixels``, which is in this model's checkpoints and
            need not be in those that it reads.
        **kwargs: ``EncoderDecoder``'s.

    Raises:
        ValueError: If ``memory_mb`` is negative, ``memory_folder`` empty or ``class_balance`` outside 0..1; in mode ``'loss'``,
            if there is a memory and the model is not frozen, or a file in the folder is damaged.
    """

    def __init__(
        self,
        *args: Any,
        memory_mb: int = 0,
        memory_folder: str | None = None,
        class_balance: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if isinstance(memory_mb, bool) or not isinstance(memory_mb, int) or memory_mb < 0:
            raise Refusal(f'memory_mb must be an integer of at least 0, got {memory_mb!r}')
        if memory_folder is not None and (not isinstance(memory_folder, str) or not memory_folder):
            raise Refusal(f'memory_folder must be the name of a folder or None, got {memory_folder!r}')
        if isinstance(class_balance, bool) or not isinstance(class_balance, Real) or not 0 <= class_balance <= 1:
            raise Refusal(f'class_balance must be a number from 0 to 1, got {class_balance!r}')
        super().__init__(*args, **kwargs)
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
        """Return the loss, or what ``EncoderDecoder`` returns in the other modes.

        Args:
            inputs: Downsized images (N, C, h, w), normalised.
            data_samples: In mode ``'loss'`` only ``img_shape`` is read: what of an image is not padding; None: all of it.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.
            full: In mode ``'loss'`` the same images at full resolution, not padded: (N, C, H, W), or a list of (C, H, W).

        Raises:
            ValueError: If ``full`` is missing in mode ``'loss'``.
        """
        hw: tuple[int, int] = tuple(inputs.shape[-2:])
        if mode != 'loss':
            self._warn_of_other_sizes(hw)
            return super().forward(inputs, data_samples, mode)
        if full is None:
            raise Refusal(
                'SelfDistilledEncoderDecoder compares with the full image, which data_preprocessor does not give: '
                "its type must be 'mmdownsize.SegPairDownsizePreprocessor'"
            )
        sizes = [tuple(sample.img_shape[:2]) for sample in data_samples] if data_samples else [hw] * len(inputs)
        self._fitted_sizes.add(hw)
        if isinstance(full, Tensor) and all(size == hw for size in sizes):
            wanted, inside = _log_probability(self._wanted(full), hw), inputs.new_ones(len(inputs), 1, *hw)
        else:
            wanted, inside = self._wanted_inside(full, sizes, hw)
        found = _log_probability(self._logits(inputs), hw)
        probability = wanted.exp() * inside
        by_pixel = (probability * (wanted - found)).sum(1)
        if not self.class_balance:
            return {'loss_kl': by_pixel.sum() / inside.sum()}
        weight = self._weight(probability, found.detach().exp() * inside)
        return {'loss_kl': (weight * by_pixel).sum() / weight.sum()}

    def _warn_of_other_sizes(self, hw: tuple[int, int]) -> None:
        """Warn once where images are predicted that are larger or smaller than all that the downsizer is fitted to."""
        if not self._fitted_sizes or all(
            min(seen) <= side <= max(seen) for side, seen in zip(hw, zip(*self._fitted_sizes))
        ):
            return
        (low_h, high_h), (low_w, high_w) = ((min(seen), max(seen)) for seen in zip(*self._fitted_sizes))
        self._fitted_sizes.clear()
        warnings.warn(
            f'this downsizer is fitted to images of {low_h} to {high_h} x {low_w} to {high_w} px (h x w, downsized and padded), '
            f'and is tested with {hw[0]} x {hw[1]}: a network whose strides do not divide them asks for something else at '
            'another size. Fit it to whole images, as tools/swap_resizer.py --fit does',
            stacklevel=3,
        )

    def _wanted_inside(
        self, full: Tensor | Sequence[Tensor], sizes: Sequence[tuple[int, int]], hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return log probabilities (N, classes, h, w) and where they are of an image (N, 1, h, w): 1, and 0 where padded.

        Each image is compared at its own size: padded as well it would be shown to the model as it never is, and would no
        longer lie pixel by pixel on the downsized one, whose size was rounded.
        """
        wanted, inside = [], []
        for image, (h, w) in zip(full, sizes, strict=True):
            rest = (0, hw[1] - w, 0, hw[0] - h)
            own = _log_probability(self._wanted(image[None]), (h, w))
            wanted.append(F.pad(own, rest))
            inside.append(F.pad(own.new_ones(1, 1, h, w), rest))
        return torch.cat(wanted), torch.cat(inside)

    def _weight(self, wanted: Tensor, found: Tensor) -> Tensor:
        either = wanted + found
        self.class_pixels += either.sum((0, 2, 3), dtype=torch.float64)
        shares = (self.class_pixels / self.class_pixels.sum()).to(either)
        by_class = shares.clamp(min=torch.finfo(shares.dtype).tiny).pow(-self.class_balance)  # finite, if never seen
        return (either * by_class[:, None, None]).sum(1)  # autocast would take a product of matrices in float16

    def _wanted(self, full: Tensor) -> Tensor:
        if self.memory is None:
            with torch.no_grad():
                return self._logits(full)
        moving = [name for name, part in self.named_children() if name != 'data_preprocessor' and _is_moving(part)]
        if moving:
            raise Refusal(
                f'memory_mb and memory_folder keep what a finished model predicts, and {", ".join(moving)} is being trained: '
                "freeze it with custom_hooks=[dict(type='mmdownsize.TrainOnlyHook')], or say memory_mb=0, memory_folder=None"
            )
        return self.memory.recall(full, self._logits_from_highest)

    def _logits(self, images: Tensor) -> Tensor:
        logits = self._forward(images)
        # A sigmoid is the softmax beside a class whose logit is 0; alone, one channel would have no divergence at all.
        return F.pad(logits, (0, 0, 0, 0, 1, 0)) if self.out_channels == 1 else logits

    def _logits_from_highest(self, images: Tensor) -> Tensor:
        logits = self._logits(images)
        # The same for softmax, before and after interpolation, and fine in float16 however high all of them are.
        return logits - logits.amax(1, keepdim=True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        if self.class_balance:  # nothing has been counted yet where EncoderDecoder was trained
            state_dict.setdefault(f'{prefix}class_pixels', torch.zeros_like(self.class_pixels))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if self.memory is not None:  # another model from here on
            self.memory.clear()


def _log_probability(logits: Tensor, hw: Sequence[int]) -> Tensor:
    return F.interpolate(logits.float(), size=tuple(hw), mode='bilinear', antialias=True).log_softmax(1)


def _is_moving(part: nn.Module) -> bool:
    return any(module.training for module in part.modules()) or any(p.requires_grad for p in part.parameters())
