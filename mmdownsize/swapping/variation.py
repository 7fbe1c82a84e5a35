"""Keep what varies the size of images: a target in px would bring them all to one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.geometry import TargetSize
from mmdownsize.pipelines.sizes import named_size, sizes_tried, varying
from mmdownsize.pipelines.walk import chains, read_by
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit

SAME = 0.01  # factors of width and height that differ by less are one: sizes are whole px


def factor_of(cfg: Config, target: Mapping[str, Any]) -> float | None:
    """Return by what factor a target makes the images smaller that are tested; None if that depends on the image.

    Args:
        cfg: The config.
        target: The preprocessor's target size.
    """
    if 'scale_factor' in target:
        factor = target['scale_factor']
        return float(factor) if isinstance(factor, int | float) else None
    tested = named_size(cfg, 'test', 'val')
    if tested is None:
        return None
    (w, h), keeps_ratio = tested
    if not keeps_ratio:
        small_h, small_w = TargetSize(**target).of((h, w))
        first, second = small_h / h, small_w / w
    elif target.get('keep_ratio'):  # an image fits into the smaller box as it does into the larger one
        box = target['scale'] if isinstance(target['scale'], Sequence) else (target['scale'], target['scale'])
        first, second = min(box) / min(w, h), max(box) / max(w, h)
    else:
        return None
    return round(first, 4) if abs(first - second) <= SAME * first else None


def keep_drawn_sizes(cfg: Config, target: Mapping[str, Any]) -> list[Edit]:
    """Return the edits by which training images keep the sizes that a pipeline draws, relative to those that are tested.

    Args:
        cfg: The config, as it is with its pipelines edited.
        target: The preprocessor's target size.

    Raises:
        Refusal: If sizes are drawn, and the target in px is not one factor of what the test pipeline delivers.
    """
    drawn = next(filter(None, map(varying, chains(read_by(cfg, 'train')))), None)
    if 'scale' not in target or drawn is None:
        return []
    pipeline, step = drawn
    factor = factor_of(cfg, target)
    if factor is None:
        raise Refusal(
            f'{pipeline.where} has {step}, which draws the sizes of training images, and scale={target["scale"]} would bring '
            'them all to one: give --scale-factor, which keeps them apart (so does a --scale in the proportions of the '
            "test pipeline's Resize, with --keep-ratio)"
        )
    why = (
        f'{pipeline.where}: {step} draws the sizes of training images, and scale={target["scale"]} would bring them all to '
        f'one: in training the factor is {factor:g} instead, as for the images that are tested '
        f'(train_scale_factor=({factor:g}, {factor:g}))'
    )
    return [Edit('model.data_preprocessor.train_scale_factor', (factor, factor), why)]


def sizes_of_augmentation(cfg: Config, target: Mapping[str, Any]) -> list[Edit]:
    """Return what to know of the sizes of test-time augmentation, before a target in px."""
    remarks = []
    for pipeline in read_by(cfg) if 'scale' in target else ():
        count = len(sizes_tried(pipeline))
        if count > 1:
            why = (
                f'{pipeline.where} tests images at {count} sizes, which scale={target["scale"]} brings to one: test-time '
                'augmentation raises an error; give --scale-factor, or leave one size in it'
            )
            remarks.append(Edit(pipeline.where, KEPT, why))
    return remarks
