"""Count the multiply-adds of a config's model with its downsizer, and of the same config with bilinear resizing."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdownsize.cli.options import CONFIG, add_cfg_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is counted."""
    parser.epilog = 'example:\n  %(prog)s swapped.py --shape 1333 800'
    add = parser.add_argument
    add('config', type=Path, metavar='CONFIG', help=f'{CONFIG}; with or without a downsizer')
    add(
        '--shape',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help="image size before the downsizer (default: what the config's pipeline delivers)",
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Count."""
    from mmengine.logging import MMLogger
    from rich.console import Console

    from mmdownsize.deploy.flops import Options, count_config, table_of

    MMLogger.get_current_instance().setLevel('ERROR')  # or mmengine lists every operator that it does not count
    found = count_config(Options(**vars(args)))
    console = Console()
    console.print(table_of(found, args.config.name))
    console.print(f'size: {found.source}')
    if found.skipped:
        console.print(f'not counted: {", ".join(found.skipped)}')
