"""Rank resizers by the loss of a finished model with each of them before it, as they are: nothing is trained.

python tools/rank_resizers.py CONFIG CHECKPOINT --arms FILE [--resizer NAME ...] [--only NAME ...] [--images N]

The loss is the config's own, on its training images, prepared as its training prepares them. If the model learns from itself
(SelfDistilledEncoderDecoder), no label is read: the first of the table changes least of what the model says at full
resolution. Arms are those of tools/compare.py. A better loss promises a better metric, but is not one: compare the best two or
three with tools/compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    run_command('rank', argv)


if __name__ == '__main__':
    main()
