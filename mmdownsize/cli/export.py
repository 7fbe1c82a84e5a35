"""Export a config's downsizer, or its segmentor with the downsizer, to ONNX, and compare it with PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_cfg_options
from mmdownsize.deploy import INPUT_DTYPES, MIN_OPSET, PARTS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is exported, and how."""
    parser.usage = '%(prog)s CONFIG [CHECKPOINT] --out FILE.onnx [options]'
    parser.epilog = (
        'The graph takes any batch and any image size. Needs\npip install "mmdownsize[deploy]".\n\n'
        'example:\n  %(prog)s swapped.py model.pth --out downsizer.onnx'
    )
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f"{CONFIG}; it has one of mmdownsize's preprocessors")
    add('checkpoint', type=Path, nargs='?', metavar='CHECKPOINT', help='of it (default: untrained weights)')
    add('--out', type=Path, required=True, metavar='FILE', help='file to write, .onnx')
    add('--part', choices=PARTS, default=PARTS[0], help='downsizer alone (default), or all of a segmentor')
    add('--dtype', choices=INPUT_DTYPES, default='float32', help='of the images, 0..255 (default: float32)')
    add('--rgb', action='store_true', help='take RGB images (default: BGR, as OpenMMLab loads them)')
    add('--opset', type=int, default=MIN_OPSET, metavar='N', help=f'of ONNX (default: {MIN_OPSET})')
    add('--example', type=int, nargs=2, default=(320, 256), metavar=('W', 'H'), help='image size to record with')
    add('--markdown', action='store_true', help='print the comparison as Markdown')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Export."""
    from rich.console import Console

    from mmdownsize.deploy.export import Options, export, save
    from mmdownsize.deploy.parity import markdown_of, table_of

    settings = vars(args)
    markdown = settings.pop('markdown')
    options = Options(**{**settings, 'example': tuple(reversed(args.example))})
    console = Console(stderr=True)
    exported = export(options)
    if markdown:
        print(markdown_of(exported.results))
    else:
        console.print(table_of(exported.results))
    summary = save(exported, options)
    for note in exported.notes:
        console.print(f'note: {note}')
    console.print(summary)
