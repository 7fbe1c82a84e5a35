"""Rank resizers by the loss of a finished model with each of them before it: nothing is trained."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from mmdownsize.command_line import building
from mmdownsize.comparing.arms import Arm, check_replaceable, config_of, load_arms, only
from mmdownsize.comparing.losses import loader_of, losses
from mmdownsize.comparing.start import load_without_preprocessor
from mmdownsize.comparing.statistics import paired_difference
from mmdownsize.comparing.tables import WholeTable
from mmdownsize.configs import in_one_process, read_config
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@dataclass(frozen=True)
class Options:
    """Options of a ranking.

    Attributes:
        config: Config of a training, with a mmdownsize preprocessor.
        checkpoint: The finished model; a downsizer in it is left out.
        fragments: Arms by the name of a fragment of ``configs/_base_/downsize``.
        arms_file: A Python file that sets ``arms``.
        only: Names of the arms to rank; None: all.
        images: Use the first so many training images; None: all.
        cfg_options: Settings by dotted key that replace the config's, for all arms.
    """

    config: Path
    checkpoint: Path
    fragments: Sequence[str] = ()
    arms_file: Path | None = None
    only: Sequence[str] | None = None
    images: int | None = None
    cfg_options: Mapping[str, Any] | None = None


def rank(options: Options) -> dict[str, list[float]]:
    """Return the loss of every training image with each of the arms.

    Raises:
        Refusal: If the config, an arm, an option or the checkpoint cannot work.
    """
    if options.images is not None and options.images < 2:
        raise Refusal(f'--images must be at least 2, or there is no interval, got {options.images}')
    cfg = read_config(options.config, options.cfg_options)
    check_replaceable(cfg, options.config)
    arms = only(load_arms(options.fragments, options.arms_file, baseline=None), options.only)
    raised = [arm.name for arm in arms if arm.equal_cost_to]
    if raised:
        raise Refusal(f'equal_cost_to has no meaning here, where all have one size: leave out {", ".join(raised)}')
    return losses_by_arm(cfg, arms, options.checkpoint, options.images)


def losses_by_arm(cfg: Config, arms: Sequence[Arm], checkpoint: Path, images: int | None) -> dict[str, list[float]]:
    """Return the loss of every training image with each of the arms before the model.

    Args:
        cfg: Config of a training; the downsizers of the arms replace its own.
        arms: At least one.
        checkpoint: The finished model; a downsizer in it is left out.
        images: Use the first so many training images; None: all.
    """
    if cfg.get('train_dataloader') is None:
        raise Refusal('the config has no train_dataloader: its images are what the loss is measured on')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    found = {}
    for number, arm in enumerate(arms, 1):
        own = config_of(cfg, arm, seed=0)
        own.train_dataloader.batch_size = 1
        set_random_seed(0)
        in_one_process(own.model)
        with building():
            model = MODELS.build(own.model)
        load_without_preprocessor(model, checkpoint)
        model.requires_grad_(False)
        model.eval()  # in a statement of its own: mmdet's distillers return None
        loader = loader_of(own, 'train_dataloader', images)
        found[arm.name], _ = losses(model, loader, f'{number} of {len(arms)}, {arm.name}')
    return found


def table_of(found: dict[str, list[float]], title: str) -> WholeTable:
    """Return a table of the arms, that with the lowest loss first.

    Args:
        found: Losses of the same images, by arm.
        title: What the table is called; the number of images is added.
    """
    ranked = sorted(found, key=lambda name: statistics.fmean(found[name]))
    images = len(found[ranked[0]])
    rows = []
    for name in ranked:
        minus = paired_difference(found[name], found[ranked[0]])
        interval = f'{minus.mean:+.4f} ({minus.low:.4f} to {minus.high:.4f})' if name != ranked[0] else ''
        rows.append([name, f'{statistics.fmean(found[name]):.4f}', interval])
    return WholeTable(f'{title}, {images} images', ['resizer', 'loss', f'minus\n{ranked[0]}'], rows)
