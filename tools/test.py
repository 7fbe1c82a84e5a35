"""Test a checkpoint of an mmdet or mmseg config; the numbers are those of the full-resolution images.

python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out FILE_OR_FOLDER] [--show-dir DIR] [--tta]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.launching import testing
from mmdownsize.launching.runner import LAUNCHERS


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description='Test a checkpoint of an mmdet or mmseg config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the log; default: ./work_dirs/NAME_OF_THE_CONFIG')
    parser.add_argument('--out', help='write the predictions: a .pkl file, or for mmseg a folder of label images')
    parser.add_argument('--show', action='store_true', help='show the painted images')
    parser.add_argument('--show-dir', help='write the painted images to this folder')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each image')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.data_preprocessor.scale_factor=0.5 or key="[(a,b),(c,d)]"',
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--tta', action='store_true', help="test-time augmentation, by the config's tta_pipeline")
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Test and return the metrics.

    Args:
        argv: The arguments; the command line's by default.
    """
    args = parse_args(argv)
    with in_one_line():
        return testing.test(testing.Options(**vars(args)))


if __name__ == '__main__':
    main()
