"""Take the downsizer out of a checkpoint, as a small file that any config can name.

python tools/extract_downsizer.py CHECKPOINT OUT.safetensors [--scale-factor LOWEST [HIGHEST]] [--note KEY=TEXT ...] [...]

A config then names it with ``downsizer=dict(type='DownsizeNet', pretrained='OUT.safetensors')``, or with the type that it has,
and with ``frozen=True`` if training must not change it. The constructor's arguments come from the config that mmengine keeps in
its checkpoints, or from --config.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.command_line import in_one_line
from mmdownsize.deploy.extract import Options, write
from mmdownsize.resizers.io import COLOR_ORDERS


def parse_args(argv: Sequence[str] | None) -> Options:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a training with a downsizer that learns')
    parser.add_argument('out', type=Path, help='file to write, .safetensors')
    parser.add_argument('--config', type=Path, help='config of the training, where the checkpoint has none')
    parser.add_argument(
        '--scale-factor',
        type=float,
        nargs='+',
        metavar='FACTOR',
        help='factor from source to target that it was trained at, or the lowest and the highest: who uses it far from there '
        'is warned',
    )
    parser.add_argument(
        '--color-order',
        choices=COLOR_ORDERS,
        help='what its images came as (default: RGB where the config has rgb_to_bgr=True, or else BGR, as loaders deliver them)',
    )
    parser.add_argument('--note', action='append', default=[], metavar='KEY=TEXT', help='added to the provenance')
    return Options(**vars(parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> None:
    """Write the file."""
    options = parse_args(argv)
    with in_one_line():
        print(write(options))


if __name__ == '__main__':
    main()
