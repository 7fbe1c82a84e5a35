"""Keep what varies the size of images: a target in px would bring them all to one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmdownsize.pipelines.sizes import drawn_in_training, factor_of, sizes_tried
from mmdownsize.pipelines.walk import read_by
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit


def keep_drawn_sizes(cfg: Config, target: Mapping[str, Any]) -> list[Edit]:
    """Return the edits by which training images keep the sizes that a pipeline draws, relative to those that are tested.

    Args:
        cfg: The config, as it is with its pipelines edited.
        target: The preprocessor's target size.

    Raises:
        Refusal: If sizes are drawn, and the target in px is not one factor of what the test pipeline delivers.
    """
    drawn = drawn_in_training(cfg) if 'scale' in target else None
    if drawn is None:
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
