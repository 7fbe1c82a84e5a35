"""How far onnxruntime is from PyTorch for every resizer of configs/_base_/downsize: the table of docs/deploy.md.

python benchmarks/bm_export.py [--example H W] [--markdown]

Weights are random, from a fixed seed. For each resizer and kind of target one graph is recorded, and run on three batches of
other sizes; the largest difference of the three is shown. Needs pip install "mmdownsize[deploy]".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import torch
from mmengine.config import Config
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from mmdownsize.configs import FRAGMENTS
from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import record
from mmdownsize.deploy.parity import parity
from mmdownsize.geometry import TargetSize
from mmdownsize.preprocessors.build import build_resizer
from tools.export_onnx import checked_shapes

TARGETS = {
    'scale_factor=0.37': TargetSize(scale_factor=0.37),
    'scale=(160, 160)': TargetSize(scale=(160, 160)),
    'scale=(200, 120), keep_ratio=True': TargetSize(scale=(200, 120), keep_ratio=True),
}
# Standard deviation of weights that start at 0, where a downsizer is its fixed kernel: of those that make logits, and of
# those that make coefficients themselves, by hundredths in training.
SPREAD, SIGNED_SPREAD = 0.3, 0.03


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--example', type=int, nargs=2, default=(256, 320), metavar=('H', 'W'), help='image size to record with'
    )
    parser.add_argument('--markdown', action='store_true', help='print Markdown')
    return parser.parse_args(argv)


def resizer_of(fragment: Path) -> nn.Module:
    """Return the resizer of a config fragment, with random numbers for weights that start at 0."""
    torch.manual_seed(0)
    resizer = build_resizer(Config.fromfile(fragment).downsizer)
    spread = SIGNED_SPREAD if getattr(resizer, 'normalize', None) == 'signed' else SPREAD
    with torch.no_grad():
        for parameter in resizer.parameters():
            if not parameter.any():
                parameter.copy_(spread * torch.randn(parameter.shape))
    return resizer


def row_of(fragment: Path, example_hw: tuple[int, int]) -> list[str]:
    """Return a resizer's row: a difference for every kind of target."""
    row = [fragment.stem]
    for target in TARGETS.values():
        downsizer = Downsizer(resizer_of(fragment), target)
        results = parity(record(downsizer, example_hw), downsizer, checked_shapes(example_hw, 3))
        failed = [result.failure or 'differs' for result in results if not result.passed]
        row.append(failed[0] if failed else f'{max(result.difference for result in results):.1e}')
    return row


def main(argv: Sequence[str] | None = None) -> None:
    """Compare."""
    args = parse_args(argv)
    head = ['resizer', *TARGETS]
    try:
        fragments = track(sorted(FRAGMENTS.glob('*.py')), 'exporting', console=Console(stderr=True), transient=True)
        rows = [row_of(fragment, tuple(args.example)) for fragment in fragments]
    except ImportError as error:
        sys.exit(str(error))
    if args.markdown:
        print('\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows]))
        return
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == '__main__':
    main()
