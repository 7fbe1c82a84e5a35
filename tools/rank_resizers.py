"""Rank resizers by the loss of a finished model behind each of them, as they are: nothing is trained.

python tools/rank_resizers.py CONFIG CHECKPOINT --arms FILE [--arm FRAGMENT ...] [--only ARM ...] [--images N]

The loss is the config's own, on its training images, prepared as its training prepares them. Where the model is one that learns
from itself (SelfDistilledEncoderDecoder) no label is read: the first of the table changes least of what the model says at full
resolution. Arms are those of tools/compare.py; a better loss promises a better metric, it is none: compare the best two or
three there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from rich.console import Console
from rich.table import Table

from mmdownsize.command_line import CONFIG_ERRORS, Settings, in_one_line
from mmdownsize.comparing.arms import Arm, check_replaceable, config_of, load_arms, only
from mmdownsize.comparing.start import load_behind_preprocessor
from mmdownsize.configs import read_config
from mmdownsize.registry import MODELS
from study.held_out_loss import loaders, losses
from tools.compare_report import paired_difference


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of a training, with a mmdownsize preprocessor')
    parser.add_argument('checkpoint', type=Path, help='the finished model; a downsizer in it is left out')
    parser.add_argument('--arm', action='append', default=[], metavar='FRAGMENT', help='a fragment (may be repeated)')
    parser.add_argument('--arms', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    parser.add_argument('--only', nargs='+', metavar='ARM', help='only these of the arms')
    parser.add_argument('--images', type=int, metavar='N', help='the first N training images; default: all')
    parser.add_argument('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='for all arms')
    return parser.parse_args(argv)


def losses_by_arm(cfg: Config, arms: Sequence[Arm], checkpoint: Path, images: int | None) -> dict[str, list[float]]:
    """Return the loss of every training image behind each of the arms."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    found = {}
    for number, arm in enumerate(arms, 1):
        own = config_of(cfg, arm, seed=0)
        own.train_dataloader.batch_size = 1
        set_random_seed(0)
        model = MODELS.build(own.model)
        load_behind_preprocessor(model, checkpoint)
        model.requires_grad_(False).eval()
        found[arm.name], _ = losses(model, loaders(own, images)['training'], f'{number} of {len(arms)}, {arm.name}')
    return found


def table_of(found: dict[str, list[float]], title: str) -> Table:
    """Return a table of the arms, that with the lowest loss first."""
    ranked = sorted(found, key=lambda name: statistics.fmean(found[name]))
    images = len(found[ranked[0]])
    table = Table('resizer', 'loss', f'minus {ranked[0]}', title=f'{title}, {images} images')
    for name in ranked:
        minus = paired_difference(found[name], found[ranked[0]])
        interval = f'{minus.mean:+.4f} ({minus.low:.4f} to {minus.high:.4f})' if name != ranked[0] else ''
        table.add_row(name, f'{statistics.fmean(found[name]):.4f}', interval)
    return table


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')
    with in_one_line(*CONFIG_ERRORS):
        if args.images is not None and args.images < 2:
            raise ValueError(f'--images must be at least 2, or there is no interval, got {args.images}')
        cfg = read_config(args.config, args.cfg_options)
        check_replaceable(cfg, args.config)
        arms = only(load_arms(args.arm, args.arms, baseline=None), args.only)
        raised = [arm.name for arm in arms if arm.equal_cost_to]
        if raised:
            raise ValueError(
                f'equal_cost_to has no meaning here, where all have one size: leave out {", ".join(raised)}'
            )
        found = losses_by_arm(cfg, arms, args.checkpoint, args.images)
    Console().print(table_of(found, args.checkpoint.name))


if __name__ == '__main__':
    main()
