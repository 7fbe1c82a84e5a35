"""Options that several subcommands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mmdownsize.command_line import Settings
from mmdownsize.launching import LAUNCHERS

CONFIG = 'file, or PACKAGE::NAME of one that a package ships'


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings, such as model.data_preprocessor.scale_factor=0.5',
    )


def add_target(parser: argparse.ArgumentParser) -> Any:
    """Add the target size; return the group of options of which one can be given."""
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        '--scale-factor', type=float, metavar='F', help='times what the pipeline delivers (default: 0.5)'
    )
    target.add_argument('--scale', type=int, nargs=2, metavar=('W', 'H'), help='size in px')
    parser.add_argument('--keep-ratio', action='store_true', help='with --scale: keep the aspect ratio')
    return target


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add ``--launcher``, and what torch's launcher gives to its processes."""
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_arms(parser: argparse.ArgumentParser) -> None:
    """Add which resizers are compared: ``--resizer``, ``--arms`` and ``--only``."""
    resizer = parser.add_argument(
        '--resizer',
        dest='fragments',
        action='append',
        default=[],
        metavar='NAME',
        help='a file of configs/_base_/downsize; may be repeated',
    )
    add_old_spelling(parser, '--arm', resizer)
    parser.add_argument('--arms', dest='arms_file', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    parser.add_argument('--only', nargs='+', metavar='NAME', help='only these of them')


def add_old_spelling(parser: argparse.ArgumentParser, old: str, option: argparse.Action) -> None:
    """Let an option be given as it was called before. A note says the new name.

    Args:
        parser: The parser.
        old: The name before, such as ``'--arm'``. The help does not show it.
        option: The option, as ``parser.add_argument`` returns it.
    """
    new = option.option_strings[0]

    class Old(argparse.Action):
        told = False

        def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, name: Any = None) -> None:
            if not self.told:
                print(f'note: {old} is called {new} now', file=sys.stderr)
            self.told = True
            option(parser, namespace, values, name)

    parser.add_argument(
        old, dest=option.dest, action=Old, choices=option.choices, default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
