"""Export a config's downsizer, or its segmentor with the downsizer, to ONNX, and compare it with PyTorch.

python tools/export_onnx.py CONFIG [CHECKPOINT] --out FILE.onnx [--part segmentor] [--dtype uint8] [--rgb] [--markdown]

The graph takes any batch and any image size. It consists of plain operators. It is run in onnxruntime at sizes that it was
not recorded with, and written only if it gives what PyTorch gives there. Needs pip install "mmdownsize[deploy]".
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from rich.console import Console

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.deploy.export import PARTS, Options, export, save
from mmdownsize.deploy.onnx_file import INPUT_DTYPES, MIN_OPSET
from mmdownsize.deploy.parity import markdown_of, table_of


def parse_args(argv: Sequence[str] | None) -> tuple[Options, bool]:
    """Return what to export, and whether the comparison is printed as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help="config with one of mmdownsize's preprocessors")
    parser.add_argument('checkpoint', type=Path, nargs='?', help='checkpoint of it; without one: untrained weights')
    parser.add_argument('--out', type=Path, required=True, help='file to write, .onnx')
    parser.add_argument(
        '--part',
        choices=PARTS,
        default=PARTS[0],
        help='the downsizer alone (default), or downsizer, normalisation and segmentor in one graph',
    )
    parser.add_argument(
        '--dtype', choices=list(INPUT_DTYPES), default='float32', help='of the images, 0..255 (default: float32)'
    )
    parser.add_argument('--rgb', action='store_true', help='take RGB images; by default BGR, as OpenMMLab loads them')
    parser.add_argument('--opset', type=int, default=MIN_OPSET, help=f'of ONNX (default: {MIN_OPSET})')
    parser.add_argument(
        '--example', type=int, nargs=2, default=(320, 256), metavar=('W', 'H'), help='image size to record with'
    )
    parser.add_argument('--markdown', action='store_true', help='print the comparison as Markdown')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.test_cfg.mode=whole',
    )
    args = vars(parser.parse_args(argv))
    markdown = args.pop('markdown')
    return Options(**{**args, 'example': tuple(reversed(args['example']))}), markdown


def main(argv: Sequence[str] | None = None) -> None:
    """Export."""
    options, markdown = parse_args(argv)
    console = Console(stderr=True)
    with in_one_line():
        exported = export(options)
        if markdown:
            print(markdown_of(exported.results))
        else:
            console.print(table_of(exported.results))
        summary = save(exported, options)
    for note in exported.notes:
        console.print(f'note: {note}')
    console.print(summary)


if __name__ == '__main__':
    main()
