"""Show what the downsizer of a checkpoint does to images: a picture each, and a page with all of them.

python tools/visualize_downsizer.py CONFIG CHECKPOINT IMAGE_OR_FOLDER [...] --out DIR [--kernel area] [--size W H]
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Draw."""
    run_command('visualize', argv)


if __name__ == '__main__':
    main()
