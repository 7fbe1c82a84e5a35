"""Test a checkpoint of a config; the numbers are those of the full-resolution images."""

from __future__ import annotations

import argparse

from mmdownsize.cli.options import CONFIG, add_cfg_options, add_launcher


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is tested, and what is kept of it."""
    parser.usage = '%(prog)s CONFIG CHECKPOINT [options]'
    parser.epilog = 'example:\n  %(prog)s swapped.py work_dirs/swapped/epoch_12.pth --show-dir painted'
    add = parser.add_argument
    add('config', metavar='CONFIG', help=CONFIG)
    add('checkpoint', metavar='CHECKPOINT', help='checkpoint file')
    add('--work-dir', metavar='DIR', help='of the log (default: work_dirs/NAME_OF_THE_CONFIG)')
    add('--out', help='write the predictions: a .pkl file, or for mmseg a folder of label images')
    add('--show', action='store_true', help='show the painted images')
    add('--show-dir', metavar='DIR', help='write the painted images there')
    add('--wait-time', type=float, default=2, metavar='S', help='seconds to show each image')
    add_cfg_options(parser)
    add_launcher(parser)
    add('--tta', action='store_true', help="test-time augmentation, by the config's tta_pipeline")


def run(args: argparse.Namespace) -> dict[str, float]:
    """Test, and return the metrics."""
    from mmdownsize.launching.testing import Options, test

    return test(Options(**vars(args)))
