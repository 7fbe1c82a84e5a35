"""Show what the downsizer of a checkpoint does to images: a picture each, and a page with all of them.

python tools/visualize_downsizer.py CONFIG CHECKPOINT IMAGE_OR_FOLDER [...] --out DIR [--kernel area] [--size W H]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.command_line import in_one_line
from mmdownsize.gallery import Options, make


def parse_args(argv: Sequence[str] | None) -> Options:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help="config with one of mmdownsize's preprocessors")
    parser.add_argument('checkpoint', type=Path, help='checkpoint of it')
    parser.add_argument('images', type=Path, nargs='+', help='images, or folders of images')
    parser.add_argument('--out', type=Path, required=True, help='folder for the PNG files and index.html')
    parser.add_argument('--kernel', default='bilinear', help='fixed resizer to compare with (default: bilinear)')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help="resize the images to this first, as the config's pipeline does",
    )
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Draw."""
    options = parse_args(argv)
    with in_one_line():
        print(make(options))


if __name__ == '__main__':
    main()
