"""Resize image files: a photograph, many of them, or a folder. Needs no OpenMMLab package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdownsize.notices import as_lines
from mmdownsize.refusal import Refusal

EXAMPLE = """\
example:
  %(prog)s photo.jpg small.png --scale-factor 0.3
  %(prog)s photos/ small/ --size 640 480 --resizer lanczos_antialias"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.usage = '%(prog)s IN ... OUT (--scale-factor F | --size W H) [options]'
    parser.epilog = EXAMPLE
    parser.add_argument('images', nargs='+', type=Path, metavar='IN', help='image file, or folder of images')
    parser.add_argument('out', metavar='OUT', help='file; of several images or a folder, a folder')
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument('--scale-factor', type=float, metavar='F', help='factor of both sides, such as 0.3')
    target.add_argument('--size', type=int, nargs=2, metavar=('W', 'H'), help='size in px')
    parser.add_argument(
        '--resizer',
        default='area',
        metavar='NAME',
        help='one of `mmdownsize list`, or FILE.safetensors (default: area)',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace outputs that exist')


def run(args: argparse.Namespace) -> None:
    """Resize the images, and say which were not.

    Raises:
        Refusal: If an argument cannot work, or an image was not resized.
    """
    from mmdownsize.images.many import resize_files
    from mmdownsize.images.resize import how

    resize = how(tuple(args.size) if args.size else None, args.scale_factor, args.resizer)
    with as_lines():
        done = resize_files(args.images, args.out, resize, overwrite=args.overwrite)
    total = len(done.written) + len(done.refused)
    if total == 1 and done.refused:
        raise Refusal(done.refused[0])
    if total == 1:
        ((path, before, after),) = done.written
        print(f'{path}: {before[0]}x{before[1]} -> {after[0]}x{after[1]} px (w x h), {args.resizer}')
    elif done.written:
        print(f'{args.out}: {len(done.written)} of {total} images, {args.resizer}')
    if done.refused:
        print(*done.refused, sep='\n', file=sys.stderr)
        raise Refusal(f'{len(done.refused)} of {total} images were not resized, for the reasons above')
