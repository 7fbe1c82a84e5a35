"""Predict on images: pictures, and a JSON file of all that was found."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is predicted, and where it is written."""
    parser.usage = '%(prog)s CONFIG CHECKPOINT IMAGE ... --out DIR [--score S]'
    parser.epilog = (
        'DIR/pictures has the images with boxes, masks or classes drawn on them, and\n'
        'DIR/predictions.json the boxes in px of the image files, or the pixels of\n'
        'each class. DIR/labels has the class of every pixel.\n\n'
        'example:\n  %(prog)s swapped.py epoch_12.pth photos/ --out found'
    )
    add = parser.add_argument
    add('config', metavar='CONFIG', help=CONFIG)
    add('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    add('images', type=Path, nargs='+', metavar='IMAGE', help='image files, or folders of them')
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the predictions')
    add('--score', type=float, default=0.3, metavar='S', help='lowest score of a box that is drawn (default: 0.3)')


def run(args: argparse.Namespace) -> None:
    """Predict, and say what was written."""
    from mmdownsize.predicting.run import Options, predict

    for line in predict(Options(**vars(args))):
        print(line)
