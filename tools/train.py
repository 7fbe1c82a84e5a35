"""Train an mmdet or mmseg config, with or without a downsizer.

python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--amp] [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)
from mmengine.runner import Runner

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.launching.runner import LAUNCHERS
from mmdownsize.launching.training import Options, train


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description='Train an mmdet or mmseg config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default: ./work_dirs/NAME_OF_THE_CONFIG')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue exactly where CHECKPOINT, or without it the last checkpoint of the work dir, left off',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument('--seed', type=int, help='the same as --cfg-options randomness.seed=SEED')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.data_preprocessor.scale_factor=0.5 or key="[(a,b),(c,d)]"',
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> Runner:
    """Train and return the runner.

    Args:
        argv: The arguments; the command line's by default.
    """
    args = parse_args(argv)
    with in_one_line():
        return train(Options(**vars(args)))


if __name__ == '__main__':
    main()
