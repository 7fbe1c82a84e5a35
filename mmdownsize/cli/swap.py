"""Put a downsizer into a config of mmdet or mmsegmentation, and explain every edit."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_old_spelling, add_target
from mmdownsize.swapping import DOWNSIZER, FITTED


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is put into which config."""
    parser.usage = '%(prog)s CONFIG [options]'
    parser.epilog = 'example:\n  %(prog)s mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py --take-resize --out swapped.py'
    add = parser.add_argument
    add('config', metavar='CONFIG', help=CONFIG)
    add('--out', type=Path, metavar='FILE', help='write the edited config there instead of printing it')
    resizer = add(
        '--resizer',
        dest='downsizer',
        metavar='NAME',
        help=f'a file of configs/_base_/downsize (default: {DOWNSIZER}, with --fit {FITTED})',
    )
    add_old_spelling(parser, '--downsizer', resizer)
    add('--fit', metavar='CHECKPOINT', help='train nothing but the downsizer, for this finished model')
    target = add_target(parser)
    target.add_argument('--take-resize', action='store_true', help="the size of the pipelines' last Resize")
    add('--images', type=Path, nargs='+', metavar='FILE', help='images to measure sizes of (default: the data set)')
    add('--check', action='store_true', help='build it; compute losses, gradients and a prediction')
    add('--log', action='store_true', help="with --check: show mmengine's log and all warnings")


def run(args: argparse.Namespace) -> None:
    """Edit, print the result if no file is named, and explain it."""
    from rich.console import Console

    from mmdownsize.swapping.report import lines_of
    from mmdownsize.swapping.run import Options, swap_resizer

    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')  # mmengine's, for every name of a config
    options = Options(**vars(args))
    swapped = swap_resizer(options)
    if not options.out:
        print(swapped.text)
    console = Console(stderr=True)
    for line in lines_of(options, swapped):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
