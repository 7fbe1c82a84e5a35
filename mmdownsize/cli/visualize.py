"""Show what the downsizer of a checkpoint does to images: a picture each, and a page with all of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is drawn."""
    parser.usage = '%(prog)s CONFIG CHECKPOINT IMAGE ... --out DIR [options]'
    parser.epilog = 'example:\n  %(prog)s swapped.py model.pth photos/ --out pictures'
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f"{CONFIG}; it has one of mmdownsize's preprocessors")
    add('checkpoint', type=Path, metavar='CHECKPOINT', help='checkpoint of it')
    add('images', type=Path, nargs='+', metavar='IMAGE', help='images, or folders of images')
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the PNG files and index.html')
    add('--kernel', default='bilinear', help='fixed kernel to compare with (default: bilinear)')
    add('--size', type=int, nargs=2, metavar=('W', 'H'), help="resize to this first, as the config's pipeline does")


def run(args: argparse.Namespace) -> None:
    """Draw."""
    from mmdownsize.gallery import Options, make

    print(make(Options(**vars(args))))
