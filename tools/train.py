"""Train an mmdet or mmseg config, with or without a downsizer.

python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--amp] [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command

if TYPE_CHECKING:
    from mmengine.runner import Runner


def main(argv: Sequence[str] | None = None) -> Runner:
    """Train and return the runner.

    Args:
        argv: The arguments; the command line's by default.
    """
    return run_command('train', argv)


if __name__ == '__main__':
    main()
