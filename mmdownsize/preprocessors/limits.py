"""Heads whose results are right only for some targets, because of a limit of OpenMMLab's code that a target can trigger."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from torch import nn

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.notices import warn
from mmdownsize.refusal import Refusal

# They enlarge masks by the width's scale vertically and by the height's horizontally, and crop to the original image.
ONE_SCALE = ('RTMDetInsHead', 'RTMDetInsSepBNHead')
# They enlarge masks of the padded image to the size of the original one.
UNPADDED = ('YOLACTProtonet',)


def limited_head(module: nn.Module) -> str | None:
    """Return the name of a head inside a module that has such a limit; None if there is none."""
    return next((name for part in module.modules() if (name := _named(type(part)))), None)


@cache
def _named(kind: type) -> str | None:
    return next((base.__name__ for base in kind.__mro__ if base.__name__ in ONE_SCALE + UNPADDED), None)


def check_target(head: str, target: TargetSize) -> None:
    """Check that a target scales both directions alike, whatever the image, if the head needs that.

    Raises:
        Refusal: If it says two factors.
    """
    factor = target.scale_factor
    if head in ONE_SCALE and isinstance(factor, Sequence) and factor[0] != factor[1]:
        raise Refusal(_said(head, f'scale_factor={tuple(factor)}'))


def check_maps(head: str, maps: Iterable[ResizeMap]) -> None:
    """Check that images are scaled alike in both directions, up to whole pixels, if the head needs that.

    Raises:
        Refusal: If one is not.
    """
    for one in maps if head in ONE_SCALE else ():
        if not one.keeps_ratio:
            raise Refusal(_said(head, f'{one.src_hw} -> {one.dst_hw} (h, w)'))


def _said(head: str, unequal: str) -> str:
    return (
        f'{unequal} has another scale for the width than for the height, and {head} would return masks of another size than '
        'the image: say one scale_factor, or keep_ratio=True'
    )


def check_padding(head: str, maps: Iterable[ResizeMap], batch: dict[str, Any]) -> None:
    """Check that downsized images are not padded before a prediction, if the head needs that.

    Args:
        head: Name of the head.
        maps: The resize of each image.
        batch: What the preprocessor returns at test time.

    Raises:
        Refusal: If one is.
    """
    padded_hw = tuple(batch['inputs'].shape[-2:])
    for one in maps if head in UNPADDED else ():
        if one.dst_hw != padded_hw:
            raise Refusal(
                f'an image of {one.dst_hw} (h, w) is padded to {padded_hw}, and {head} would stretch the masks of the padded '
                'image over the original one: say pad_size_divisor=1, and batch_size=1 at test time if images differ in size'
            )


def warn_of_short_masks(head: str, batch: dict[str, Any]) -> bool:
    """Warn if masks of a batch will lack rows or columns of the original image, because of roundings to whole pixels.

    Args:
        head: Name of the head.
        batch: What the preprocessor returns at test time.

    Returns:
        Whether it has warned.
    """
    h, w = batch['inputs'].shape[-2:]
    for sample in (batch.get('data_samples') or ()) if head in ONE_SCALE else ():
        if not {'scale_factor', 'ori_shape'} <= set(sample.metainfo_keys()):
            continue
        (sx, sy), (ori_h, ori_w) = sample.scale_factor, sample.ori_shape[:2]
        mask_hw = (min(math.ceil(h * (1 / sx)), ori_h), min(math.ceil(w * (1 / sy)), ori_w))
        if mask_hw != (ori_h, ori_w):
            warn(
                f'{head} will return masks of {mask_hw} (h, w) for an image of {(ori_h, ori_w)}, and metrics will count them as '
                'wrong: pad images to squares in the pipeline, with Pad(pad_to_square=True)'
            )
            return True
    return False
