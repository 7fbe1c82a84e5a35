"""Train only the downsizer, for a finished model, and say in a table whether it is worth it."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_target
from mmdownsize.swapping import FITTED


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the model, the size and the training."""
    parser.usage = '%(prog)s CONFIG CHECKPOINT [options]'
    parser.epilog = (
        'The table has the metric and the time at full resolution, with fixed kernels\n'
        'and with the fitted downsizer. The same command resumes after an interruption.\n\n'
        'example:\n  %(prog)s my_config.py iter_40000.pth --scale-factor 0.3'
    )
    add = parser.add_argument
    add('config', metavar='CONFIG', help=CONFIG)
    add('checkpoint', metavar='CHECKPOINT', help='the finished model, a file')
    add_target(parser)
    add('--steps', type=int, metavar='N', help="steps of the training (default: the recipe's)")
    add('--resizer', default=FITTED, metavar='NAME', help=f'a file of configs/_base_/downsize (default: {FITTED})')
    add('--out', type=Path, metavar='DIR', help='folder of the fit (default: work_dirs/fit/CONFIG)')


def run(args: argparse.Namespace) -> None:
    """Fit, test, and print the table."""
    from rich.console import Console

    from mmdownsize.trial.run import Options, fit

    fit(Options(**vars(args)), Console())
