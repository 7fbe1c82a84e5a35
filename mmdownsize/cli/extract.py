"""Take the downsizer out of a checkpoint, as a small file that any config can name."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.arguments import COLOR_ORDERS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is taken out, and what is said of it."""
    parser.usage = '%(prog)s CHECKPOINT OUT [options]'
    parser.epilog = 'example:\n  %(prog)s work_dirs/fit/iter_4000.pth mine.safetensors --scale-factor 0.3'
    add = parser.add_argument
    add('checkpoint', type=Path, metavar='CHECKPOINT', help='of a training with a downsizer that learns')
    add('out', type=Path, metavar='OUT', help='file to write, .safetensors')
    add('--config', type=Path, help='config of the training, where the checkpoint has none')
    add(
        '--scale-factor',
        type=float,
        nargs='+',
        metavar='FACTOR',
        help='it was trained at, or the lowest and the highest: who uses it far from there is warned',
    )
    add(
        '--color-order',
        choices=COLOR_ORDERS,
        help='of its images (default: RGB where the config has rgb_to_bgr=True, else BGR)',
    )
    add('--note', action='append', default=[], metavar='KEY=TEXT', help='added to the provenance')


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    from mmdownsize.deploy.extract import Options, write

    print(write(Options(**vars(args))))
