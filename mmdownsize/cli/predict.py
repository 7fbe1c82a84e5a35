"""``mmdownsize predict``: pictures and one JSON file of what a model finds in images."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = """
DIR/pictures/ has the images with boxes, masks or classes drawn on them.
DIR/predictions.json has all boxes, in px of the image files, or how many
pixels each class has. DIR/labels/ has the class of every pixel. Example:

  mmdownsize predict swapped.py epoch_12.pth photos/ --out found
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    add = parser.add_argument
    add('config', help='config file, or PACKAGE::NAME of one that mmdet or mmsegmentation ships')
    add('checkpoint', help='its checkpoint')
    add('images', type=Path, nargs='+', metavar='IMAGE', help='image files, or folders of them')
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the predictions')
    add('--score', type=float, default=0.3, help='lowest score of a box that is drawn (default: 0.3)')


def run(args: argparse.Namespace) -> None:
    """Predict, and say what was written."""
    from mmdownsize.predicting.run import Options, predict

    options = Options(args.config, args.checkpoint, args.images, args.out, args.score)
    for line in predict(options):
        print(line)
