"""Train one config with several resizers and several seeds, and say what differs."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_arms, add_cfg_options
from mmdownsize.comparing import METRICS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is compared, and what is kept of it."""
    parser.usage = '%(prog)s CONFIG --resizer NAME ... [options]'
    parser.epilog = (
        'The same command continues an interrupted comparison.\n\n'
        'example:\n  %(prog)s swapped.py --resizer bilinear --resizer area --seeds 0 1 2 --work-dir DIR'
    )
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f'{CONFIG}; it has a downsizer, which is replaced')
    add_arms(parser)
    add('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='SEED', help='default: 0 1 2')
    add('--baseline', default='bilinear', metavar='NAME', help='what the others are compared with')
    add('--metric', help=f'default: the first of {", ".join(METRICS)}')
    add('--start', metavar='CHECKPOINT', help="that all start from; '{seed}' in it is replaced")
    add('--work-dir', type=Path, metavar='DIR', help='default: work_dirs/compare/NAME_OF_THE_CONFIG')
    add('--log', type=Path, metavar='FILE', help='of finished runs (default: WORK_DIR/runs.jsonl)')
    add('--plot', type=Path, metavar='FILE', help='draw the runs there')
    add('--subset', type=int, metavar='N', help='train on the first N samples only')
    add(
        '--scales',
        type=float,
        nargs='+',
        metavar='FACTOR',
        help='run all at each of these; the baseline is at the first',
    )
    add('--workers', type=int, metavar='N', help="the training loader's worker processes")
    add('--report-only', action='store_true', help='train nothing')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Run what is missing, and report."""
    from rich.console import Console

    from mmdownsize.comparing.comparison import Options, compare
    from mmdownsize.comparing.runs import ended_by_sigterm

    with ended_by_sigterm():
        compare(Options(**vars(args)), Console())
