"""Train a config of mmdet or mmsegmentation, with or without a downsizer."""

from __future__ import annotations

import argparse
from typing import Any

from mmdownsize.cli.options import CONFIG, add_cfg_options, add_launcher


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is trained, and how."""
    parser.usage = '%(prog)s CONFIG [options]'
    parser.epilog = 'example:\n  %(prog)s swapped.py --work-dir work_dirs/swapped --resume'
    add = parser.add_argument
    add('config', metavar='CONFIG', help=CONFIG)
    add('--work-dir', metavar='DIR', help='of logs and checkpoints (default: work_dirs/NAME_OF_THE_CONFIG)')
    add(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue exactly where CHECKPOINT, or without it the last checkpoint of the work dir, left off',
    )
    add('--amp', action='store_true', help='automatic mixed precision')
    add('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    add('--seed', type=int, help='the same as --cfg-options randomness.seed=SEED')
    add_cfg_options(parser)
    add_launcher(parser)


def run(args: argparse.Namespace) -> Any:
    """Train, and return the runner."""
    from mmdownsize.launching.training import Options, train

    return train(Options(**vars(args)))
