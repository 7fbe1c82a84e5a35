"""The difference between onnxruntime and PyTorch for every resizer of configs/_base_/downsize: the table of docs/deploy.md.

python benchmarks/bm_export.py [--example W H] [--markdown]

Weights are random, from a fixed seed. For each resizer and kind of target one graph is recorded. It is run on three batches
of other sizes, and the largest difference of the three is shown. Needs pip install "mmdownsize[deploy]".
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from mmdownsize.command_line import in_one_line
from mmdownsize.configs import FRAGMENTS, read_fragment
from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import record
from mmdownsize.deploy.parity import checked_shapes, parity
from mmdownsize.geometry import TargetSize
from mmdownsize.preprocessors.build import build_resizer

TARGETS = {
    'scale_factor=0.37': TargetSize(scale_factor=0.37),
    'scale=(160, 160)': TargetSize(scale=(160, 160)),
    'scale=(200, 120), keep_ratio=True': TargetSize(scale=(200, 120), keep_ratio=True),
}
# A downsizer's last weights start at 0, where it is its fixed kernel. Their standard deviation here: where they make logits,
# and where they make coefficients themselves, which training moves by hundredths.
SPREAD, SIGNED_SPREAD = 0.3, 0.03


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--example', type=int, nargs=2, default=(320, 256), metavar=('W', 'H'), help='image size to record with'
    )
    parser.add_argument('--markdown', action='store_true', help='print Markdown')
    return parser.parse_args(argv)


def resizer_of(fragment: str) -> nn.Module:
    """Build the resizer of a fragment. Weights that start at 0 get random numbers instead."""
    torch.manual_seed(0)
    resizer = build_resizer(read_fragment(fragment)[0])
    spread = SIGNED_SPREAD if getattr(resizer, 'normalize', None) == 'signed' else SPREAD
    with torch.no_grad():
        for parameter in resizer.parameters():
            if not parameter.any():
                parameter.copy_(spread * torch.randn(parameter.shape))
    return resizer


def row_of(fragment: str, example_hw: tuple[int, int]) -> list[str]:
    """Return the row of a resizer: a difference for every kind of target."""
    row = [fragment]
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
    names = sorted(path.stem for path in FRAGMENTS.glob('*.py'))
    with in_one_line():
        fragments = track(names, 'exporting', console=Console(stderr=True), transient=True)
        rows = [row_of(fragment, tuple(reversed(args.example))) for fragment in fragments]
    if args.markdown:
        print('\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows]))
        return
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == '__main__':
    main()
