"""Put a downsizer into a config of mmdet or mmsegmentation, and explain every edit.

python tools/swap_resizer.py CONFIG [--out FILE] [--downsizer FRAGMENT] [--scale-factor F | --scale W H | --take-resize]
    [--fit CHECKPOINT] [--check]

CONFIG is a file or a name such as mmdet::detr/detr_r50_8xb2-150e_coco.py. The edited config is a few lines over it,
printed or written to --out. --take-resize moves the last Resize of the pipelines into the preprocessor, which then
downsizes straight from the image file's resolution. --fit trains nothing but the downsizer, to a finished model, by the
recipe of configs/_base_/fits. --check builds the result and computes losses, gradients and a prediction on made-up data.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from rich.console import Console

from mmdownsize.command_line import in_one_line
from mmdownsize.swapping.run import DOWNSIZER, FITTED, Options, swap_resizer


def parse_args(argv: Sequence[str] | None) -> Options:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, or PACKAGE::NAME of one that mmdet or mmsegmentation ships')
    parser.add_argument('--out', type=Path, help='write the edited config there instead of printing it')
    parser.add_argument(
        '--downsizer',
        metavar='FRAGMENT',
        help=f'one of configs/_base_/downsize (default: {DOWNSIZER}, with --fit {FITTED})',
    )
    parser.add_argument('--fit', metavar='CHECKPOINT', help='train nothing but the downsizer, to this finished model')
    target = parser.add_mutually_exclusive_group()
    target.add_argument('--scale-factor', type=float, help='relative to what the pipeline delivers (default: 0.5)')
    target.add_argument('--scale', type=int, nargs=2, metavar=('W', 'H'), help='size in px')
    target.add_argument(
        '--take-resize', action='store_true', help="the size of the pipelines' last Resize, taken from there"
    )
    parser.add_argument('--keep-ratio', action='store_true', help='with --scale: keep the aspect ratio')
    parser.add_argument('--check', action='store_true', help='build it; compute losses, gradients and a prediction')
    parser.add_argument('--log', action='store_true', help="with --check: show mmengine's log and all warnings")
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Edit, print the result if no file is named, and explain it."""
    options = parse_args(argv)
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')  # mmengine's, for every name of a config
    console = Console(stderr=True)
    with in_one_line():
        swapped = swap_resizer(options)
    for line in swapped.found:
        console.print(f'check: {line}', soft_wrap=True)
    if not options.out:
        print(swapped.text)
    for note in swapped.notes:
        console.print(f'- {note}', soft_wrap=True)


if __name__ == '__main__':
    main()
