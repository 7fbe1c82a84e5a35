"""Count the multiply-adds of a config's model with its downsizer, and of the same config with bilinear resizing.

python tools/get_flops.py CONFIG [--shape W H] [--cfg-options KEY=VALUE ...]

The downsizer is counted as its compiled back end computes it, the model after it by mmengine, on one image of made-up
values. One multiply-add is one. Takes configs of mmdet and mmsegmentation, also those without a downsizer.
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Count."""
    run_command('flops', argv)


if __name__ == '__main__':
    main()
