"""Train one config with several resizers and several seeds, and say what differs.

python tools/compare.py CONFIG --arm bilinear --arm area --arm downsizenet_4x4_area --seeds 0 1 2 --work-dir DIR

Every arm of a seed starts from the same model weights and sees the same data in the same order with the same augmentations;
only what is before the model differs. A fixed resizer that is only tested before the same checkpoint is tested once, whatever
the number of seeds. Runs follow one another. After an interruption the same command continues: finished runs are in the log
and are not repeated, an unfinished one resumes where its last checkpoint was.

An arm is a fragment of configs/_base_/downsize, by name, or an entry of a Python file given with --arms::

    arms = dict(
        bilinear=dict(downsizer=dict(type='FixedResizer')),
        ours=dict(
            downsizer=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
            options={'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor.lr_mult': 5.0},
        ),
        bilinear_at_equal_cost=dict(downsizer=dict(type='FixedResizer'), equal_cost_to='ours'),
    )

``'{seed}'`` in the name of a ``pretrained`` downsizer is replaced. ``options`` overrides the config as --cfg-options does.
With ``equal_cost_to`` the arm's target size is raised until its inference takes as long as the other arm's. With
``train=False`` the arm is only tested, as it starts.

The seed draws the weights that all arms start from, or they come from a user's own checkpoint: --start.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)
from rich.console import Console

from mmdownsize.command_line import Settings, in_one_line
from mmdownsize.comparing import comparison
from mmdownsize.comparing.runs import ended_by_sigterm


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('config', type=Path, help='config with a mmdownsize preprocessor; its downsizer is replaced')
    add('--arm', dest='fragments', action='append', default=[], metavar='FRAGMENT', help='a fragment; may be repeated')
    add('--only', nargs='+', metavar='ARM', help='run only these of the arms')
    add('--arms', dest='arms_file', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    add('--seeds', type=int, nargs='+', default=[0, 1, 2], help='seeds')
    add('--baseline', default='bilinear', help='arm that the others are compared with')
    add('--metric', help=f'key of the metric; by default the first of {", ".join(comparison.METRICS)}')
    add('--start', metavar='CHECKPOINT', help="weights that all arms start from; '{seed}' in it is replaced")
    add('--work-dir', type=Path, help='folder of the runs; default: work_dirs/compare/NAME_OF_THE_CONFIG')
    add('--log', type=Path, help='log of finished runs, a line each; default: WORK_DIR/runs.jsonl')
    add('--plot', type=Path, help='draw the runs there')
    add('--subset', type=int, metavar='N', help='train on the first N samples only')
    add(
        '--scales',
        type=float,
        nargs='+',
        metavar='FACTOR',
        help='run every arm at each of these scale factors; the baseline is at the first',
    )
    add('--workers', type=int, help="the training loader's worker processes, instead of the config's")
    add('--report-only', action='store_true', help='train nothing')
    add('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='for all arms')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and report."""
    args = parse_args(argv)
    with in_one_line(), ended_by_sigterm():
        comparison.compare(comparison.Options(**vars(args)), Console())


if __name__ == '__main__':
    main()
