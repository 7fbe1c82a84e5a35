"""Rank resizers by the loss of a finished model with each of them before it; nothing is trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_arms, add_cfg_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is ranked, and on which images."""
    parser.usage = '%(prog)s CONFIG CHECKPOINT --resizer NAME ... [options]'
    parser.epilog = (
        "The loss is the config's own, on its training images.\n\n"
        'example:\n  %(prog)s swapped.py model.pth --resizer bilinear --resizer area --images 300'
    )
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f'{CONFIG}; it has a downsizer, which is replaced')
    add('checkpoint', type=Path, metavar='CHECKPOINT', help='the finished model; a downsizer in it is left out')
    add_arms(parser)
    add('--images', type=int, metavar='N', help='the first N training images (default: all)')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    from mmengine.logging import MMLogger
    from rich.console import Console

    from mmdownsize.comparing.ranking import Options, rank, table_of

    MMLogger.get_current_instance().setLevel('ERROR')
    Console().print(table_of(rank(Options(**vars(args))), args.checkpoint.name))
