"""Train one config with several resizers and several seeds, and say what differs.

python tools/compare.py CONFIG --resizer bilinear --resizer area --resizer downsizenet_4x4_area --seeds 0 1 2 --work-dir DIR

Every arm of a seed starts from the same model weights and sees the same data in the same order with the same augmentations;
only what is before the model differs. A fixed resizer that is only tested before the same checkpoint is tested once, whatever
the number of seeds. Runs follow one another. After an interruption the same command continues: finished runs are in the log
and are not repeated, an unfinished one resumes where its last checkpoint was.

An arm is the name of a fragment in configs/_base_/downsize, or an entry of a Python file given with --arms::

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

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and report."""
    run_command('compare', argv)


if __name__ == '__main__':
    main()
