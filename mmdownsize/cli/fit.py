"""``mmdownsize fit``: a downsizer for a finished model, and a table that says whether it is worth it."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = """
Nothing of the model is trained. The table has its metric and its time at full
resolution, with fixed kernels and with the fitted downsizer. The same command
goes on after an interruption. Example:

  mmdownsize fit mmseg_config.py iter_40000.pth --scale-factor 0.3
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    add = parser.add_argument
    add('config', help='config of the model: a file, or PACKAGE::NAME')
    add('checkpoint', help='its checkpoint, a file')
    target = parser.add_mutually_exclusive_group()
    target.add_argument('--scale-factor', type=float, metavar='F', help='relative to the images (default: 0.5)')
    target.add_argument('--scale', type=int, nargs=2, metavar=('W', 'H'), help='size in px')
    add('--keep-ratio', action='store_true', help='with --scale: keep the aspect ratio')
    add('--steps', type=int, metavar='N', help="steps of the training (default: the recipe's)")
    add('--resizer', metavar='NAME', help='of configs/_base_/downsize (default: downsizenet_6x6_signed)')
    add('--out', type=Path, metavar='DIR', help='folder of the fit (default: work_dirs/fit/CONFIG)')


def run(args: argparse.Namespace) -> None:
    """Fit, test, and print the table."""
    from rich.console import Console

    from mmdownsize.swapping.run import FITTED
    from mmdownsize.trial.run import Options, fit

    options = Options(
        args.config,
        args.checkpoint,
        args.scale_factor,
        args.scale,
        args.keep_ratio,
        args.steps,
        args.resizer or FITTED,
        args.out,
    )
    fit(options, Console())
