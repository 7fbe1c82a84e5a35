"""Test a checkpoint of an mmdet or mmseg config; the numbers are those of the full-resolution images.

python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out FILE_OR_FOLDER] [--show-dir DIR] [--tta]
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Test and return the metrics.

    Args:
        argv: The arguments; the command line's by default.
    """
    return run_command('test', argv)


if __name__ == '__main__':
    main()
