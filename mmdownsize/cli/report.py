"""Tables and a plot from the logs of compare."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add which logs are read, and what is made of them."""
    parser.epilog = 'example:\n  %(prog)s runs.jsonl --baseline area --plot runs.png'
    add = parser.add_argument
    add('logs', type=Path, nargs='+', metavar='LOG', help='log of mmdownsize compare, .jsonl')
    add('--baseline', default='bilinear', metavar='NAME', help='what the others are compared with')
    add('--metric', help="default: the runs' own")
    add('--plot', type=Path, metavar='FILE', help='also draw the runs of the first config there')
    add('--markdown', action='store_true', help='tables for the docs')


def run(args: argparse.Namespace) -> None:
    """Print the tables."""
    from rich.console import Console

    from mmdownsize.comparing.report import Options, report

    report(Options(**vars(args)), Console(width=180))
