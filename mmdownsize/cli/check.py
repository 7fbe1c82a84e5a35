"""Try a config that has a downsizer: losses, gradients and a prediction on made-up images."""

from __future__ import annotations

import argparse
import warnings

from mmdownsize.cli.options import CONFIG, add_cfg_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is tried."""
    parser.epilog = (
        'Images have the size that your pipelines deliver. Weights are random: nothing is\ndownloaded.\n\n'
        'example:\n  %(prog)s swapped.py'
    )
    parser.add_argument('config', metavar='CONFIG', help=CONFIG)
    parser.add_argument('--log', action='store_true', help="show mmengine's log and all warnings")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Try it: a line for training, and a line for test time."""
    from mmdownsize.swapping.run import check_config

    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')  # mmengine's, for every name of a config
    for line in check_config(args.config, args.cfg_options, log=args.log):
        print(line)
