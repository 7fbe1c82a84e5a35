"""Tables and a plot from the log of tools/compare.py.

python tools/compare_report.py LOG.jsonl [LOG.jsonl ...] [--baseline ARM] [--metric KEY] [--plot FILE.png] [--markdown]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from rich.console import Console

from mmdownsize.command_line import in_one_line
from mmdownsize.comparing.report import Options, report


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('logs', type=Path, nargs='+', help='logs of tools/compare.py')
    parser.add_argument('--baseline', default='bilinear', help='arm that the others are compared with')
    parser.add_argument('--metric', help="by default the runs' own")
    parser.add_argument('--plot', type=Path, help='also draw the runs of the first config there')
    parser.add_argument('--markdown', action='store_true', help='tables for the docs')
    args = parser.parse_args(argv)
    with in_one_line():
        report(Options(**vars(args)), Console())


if __name__ == '__main__':
    main()
