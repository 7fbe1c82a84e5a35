"""Finds the subcommand that is asked for, reads its options and runs it. No other subcommand is imported."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from mmdownsize.command_line import in_one_line
from mmdownsize.version import __version__

# Every subcommand is a module of this package with `add_options(parser)` and `run(args)`.
GROUPS = {
    'Images': {
        'resize': 'resize image files, without OpenMMLab',
        'list': 'list the resizers and the trained weights',
    },
    'Your config': {
        'swap': 'put a downsizer into a config of mmdet or mmsegmentation',
        'check': 'try a config that has one: losses, gradients, a prediction',
        'fit': 'train only the downsizer, for a finished model',
        'train': 'train a config',
        'test': 'test a checkpoint',
    },
    'Which resizer?': {
        'compare': 'train or test with several resizers and seeds: what differs',
        'rank': 'rank resizers by the loss of a finished model',
        'report': 'tables and a plot from the log of compare',
        'speed': 'accuracy against time, from the log of compare --scales',
    },
    'The result': {
        'predict': 'predict on images: pictures and JSON',
        'visualize': 'show what a downsizer does to images',
        'export': 'write the downsizer, or all of a segmentor, to ONNX',
        'flops': 'count multiply-adds and parameters',
        'extract': 'take the downsizer out of a checkpoint, as a small file',
    },
}
HELP = {name: line for group in GROUPS.values() for name, line in group.items()}
WIDTH = 80  # characters


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, which keeps the lines of examples, and is short where an option takes many values."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs != argparse.ONE_OR_MORE:
            return super()._format_args(action, default_metavar)
        return f'{action.metavar or default_metavar} ...'


class _Parser(argparse.ArgumentParser):
    """argparse's, which suggests an option that exists for one that does not."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the options; exit with status 2 if they are wrong."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
            known = [option for action in shown for option in action.option_strings]
            near = get_close_matches(unknown[0].partition('=')[0], known)
            way_out = f': did you mean {" or ".join(near)}?' if near and unknown[0].startswith('-') else ''
            self.error(f'unrecognized arguments: {" ".join(unknown)}{way_out}')
        return found


def overview() -> str:
    """Return what ``mmdownsize`` alone prints: the subcommands, by what they are for."""
    lines = ['usage: mmdownsize COMMAND ...      mmdownsize COMMAND --help says more']
    for title, commands in GROUPS.items():
        lines += [title, *(f'  {name:<10} {line}' for name, line in commands.items())]
    return '\n'.join(lines)


def parser_of(name: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a subcommand.

    Args:
        name: One of :data:`HELP`.
        prog: How the program is called, for usage and example; None: by its file.
    """
    module = import_module(f'mmdownsize.cli.{name}')
    parser = _Parser(
        prog=prog,
        description=textwrap.fill(module.__doc__.splitlines()[0], WIDTH - 2, break_on_hyphens=False),
        formatter_class=_Formatter,
    )
    module.add_options(parser)
    return parser


def run_command(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> Any:
    """Run a subcommand, and return what it returns.

    Args:
        name: One of :data:`HELP`.
        argv: Its options; None: those of the command line.
        prog: As for :func:`parser_of`.
    """
    args = parser_of(name, prog).parse_args(argv)
    with in_one_line():
        return import_module(f'mmdownsize.cli.{name}').run(args)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the subcommand that the first argument names; list them if there is none.

    Args:
        argv: The arguments; None: those of the command line.
    """
    name, *options = list(sys.argv[1:] if argv is None else argv) or ['--help']
    if name in ('-h', '--help', 'help'):
        print(overview())
    elif name == '--version':
        print(f'mmdownsize {__version__}')
    elif name in HELP:
        run_command(name, options, prog=f'mmdownsize {name}')
    else:
        near = get_close_matches(name, HELP, n=3)
        way_out = f'did you mean {" or ".join(near)}?' if near else 'mmdownsize --help lists the commands'
        sys.exit(f'mmdownsize: unknown command {name!r}: {way_out}')
