"""The size of the images that a config's pipeline delivers to the model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS

from mmdownsize.configs import channels_of, name_of
from mmdownsize.pipelines.said import delivered_hw
from mmdownsize.pipelines.walk import chain_of

LOADERS = ('test_dataloader', 'val_dataloader')
ORIGINALS = ((480, 640), (1000, 900))  # two sizes (h, w) in px without a common shape: what both end up at is fixed


@dataclass(frozen=True)
class Delivered:
    """A size of images, and where it comes from.

    Attributes:
        hw: Size (h, w) in px.
        source: What to know about it, in a few words.
    """

    hw: tuple[int, int]
    source: str


def delivered(cfg: Config) -> Delivered | None:
    """Return the size of the images that a config tests with, as its pipeline delivers them.

    The steps of the pipeline are run on a made-up image. If they keep its ratio, the result is the largest that they make. If
    they leave the size to the image, it is that of the first one of the data set, where there is one. If the steps cannot be
    run, it is what their settings say.

    Args:
        cfg: A config, whose scope is the default one of this process.

    Returns:
        None if neither tells.
    """
    for loader in LOADERS:
        steps = [step for pipeline in chain_of(cfg, loader) for step in pipeline.steps]
        if not steps:
            continue
        channels = channels_of(cfg.get('model') or {})
        sizes = {size_after(steps, original, channels) for original in ORIGINALS}
        if len(sizes) == 1 and None not in sizes:
            return Delivered(sizes.pop(), f'as the pipeline of {loader} delivers it')
        box = _box(steps)
        largest = size_after(steps, box, channels) if box else None
        if largest is not None:
            return Delivered(
                largest, f'the largest that the pipeline of {loader} makes, which keeps the ratio of an image'
            )
        first = _first_image(cfg[loader]['dataset'])
        if first is not None:
            return Delivered(first, f'that of the first image of {loader}')
        said = delivered_hw(cfg)  # a step may need what a made-up image lacks: proposals, a video
        if said is not None:
            return Delivered(said, f'as the steps of {loader} say it')
    return None


def _box(steps: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """Return the size (h, w) of an image, wide rather than high, that fills the ``scale`` of a step; None if none has one."""
    for scale in (step['scale'] for step in steps if step.get('scale')):
        sides = scale if isinstance(scale, list | tuple) else (scale, scale)
        return int(min(sides)), int(max(sides))
    return None


def size_after(steps: Sequence[dict[str, Any]], src_hw: tuple[int, int], channels: int) -> tuple[int, int] | None:
    """Return the size (h, w) that an image has after a pipeline; None if the pipeline cannot be run on a made-up image."""
    h, w = src_hw
    image: Any = dict(img=np.zeros((h, w, channels), np.uint8), img_shape=src_hw, ori_shape=src_hw)
    try:
        for step in steps:
            if not name_of(step).startswith(('Load', 'Pack')):
                image = TRANSFORMS.build(step)(image)
        h, w = image['img'].shape[:2]
    except Exception:  # a step may be anybody's, and need what a made-up image lacks
        return None
    return h, w


def _first_image(dataset: dict[str, Any]) -> tuple[int, int] | None:
    """Return the size (h, w) of a data set's first image as it is delivered; None if it cannot be read."""
    try:
        h, w = DATASETS.build(copy.deepcopy(dataset))[0]['inputs'].shape[-2:]
    except Exception:  # the data need not be here
        return None
    return h, w
