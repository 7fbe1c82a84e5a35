"""Draw accuracy against time, from the logs of compare --scales."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is timed and drawn."""
    parser.usage = '%(prog)s CONFIG LOG ... --times FILE --plot FILE [options]'
    parser.epilog = (
        'Every resizer is timed at every scale, three times in turn. Nothing else should\nrun meanwhile.\n\n'
        'example:\n  %(prog)s swapped.py runs.jsonl --times times.json --plot picture.png'
    )
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f'{CONFIG}: the one that was compared')
    add('logs', type=Path, nargs='+', metavar='LOG', help='log of mmdownsize compare --scales')
    add('--times', type=Path, required=True, metavar='FILE', help='of the times; what it has is not measured again')
    add('--plot', type=Path, required=True, metavar='FILE', help='the picture')
    add('--metric', help="default: the runs' own")
    add('--only', nargs='+', metavar='NAME', help='only these resizers, at all of their scales')
    add('--no-measure', dest='measure', action='store_false', help='leave out resizers that have no time')


def run(args: argparse.Namespace) -> None:
    """Measure, draw, and print the table."""
    from mmdownsize.comparing.curves import Options, picture

    print(picture(Options(**vars(args))))
