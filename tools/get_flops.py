"""Count the multiply-adds of a config's model with its downsizer, and of the same config with bilinear resizing.

python tools/get_flops.py CONFIG [--shape W H] [--cfg-options KEY=VALUE ...]

The downsizer is counted as its compiled back end computes it, the model after it by mmengine, on one image of made-up
values. One multiply-add is one. Takes configs of mmdet and mmsegmentation, also those without a downsizer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from mmengine.logging import MMLogger
from rich.console import Console

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.deploy.flops import Options, count_config, table_of


def parse_args(argv: Sequence[str] | None) -> Options:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of mmdet or mmsegmentation')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help="image size that the pipeline delivers (default: what the config's own pipeline delivers)",
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='override settings of the config'
    )
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Count."""
    options = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')  # or mmengine lists every operator that it does not count
    with in_one_line():
        found = count_config(options)
    console = Console()
    console.print(table_of(found, options.config.name))
    console.print(f'size: {found.source}')
    if found.skipped:
        console.print(f'not counted: {", ".join(found.skipped)}')


if __name__ == '__main__':
    main()
