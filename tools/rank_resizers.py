"""Rank resizers by the loss of a finished model with each of them before it, as they are: nothing is trained.

python tools/rank_resizers.py CONFIG CHECKPOINT --arms FILE [--arm FRAGMENT ...] [--only ARM ...] [--images N]

The loss is the config's own, on its training images, prepared as its training prepares them. If the model learns from itself
(SelfDistilledEncoderDecoder), no label is read: the first of the table changes least of what the model says at full
resolution. Arms are those of tools/compare.py. A better loss promises a better metric, but is not one: compare the best two or
three with tools/compare.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from mmengine.logging import MMLogger
from rich.console import Console

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.comparing.ranking import Options, rank, table_of


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('config', type=Path, help='config of a training, with a mmdownsize preprocessor')
    add('checkpoint', type=Path, help='the finished model; a downsizer in it is left out')
    add('--arm', dest='fragments', action='append', default=[], metavar='FRAGMENT', help='a fragment; may be repeated')
    add('--arms', dest='arms_file', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    add('--only', nargs='+', metavar='ARM', help='only these of the arms')
    add('--images', type=int, metavar='N', help='the first N training images; default: all')
    add('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='for all arms')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')
    with in_one_line():
        found = rank(Options(**vars(args)))
    Console().print(table_of(found, args.checkpoint.name))


if __name__ == '__main__':
    main()
