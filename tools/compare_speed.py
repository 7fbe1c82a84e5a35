"""Draw accuracy against time, from a log of tools/compare.py --scales.

python tools/compare.py CONFIG --arm area --arm importance --baseline area --scales 0.125 0.25 0.5 --log runs.jsonl
python tools/compare_speed.py CONFIG runs.jsonl --times times.json --plot picture.png

Every arm at every scale is timed on eight validation images, ten times in turn. The table says, for each learned resizer,
which fixed one is best at the same time, and the difference. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.command_line import in_one_line
from mmdownsize.comparing.curves import Options, picture


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, draw, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='the config that was compared')
    parser.add_argument('logs', type=Path, nargs='+', help='logs of tools/compare.py --scales')
    parser.add_argument(
        '--times', type=Path, required=True, help='file of the times; what it has is not measured again'
    )
    parser.add_argument('--plot', type=Path, required=True, help='the picture')
    parser.add_argument('--metric', help="by default the runs' own")
    parser.add_argument('--only', nargs='+', metavar='ARM', help='only these arms, at all of their scales')
    parser.add_argument('--no-measure', dest='measure', action='store_false', help='leave out arms that have no time')
    with in_one_line():
        print(picture(Options(**vars(parser.parse_args(argv)))))


if __name__ == '__main__':
    main()
