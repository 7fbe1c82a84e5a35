"""Put a downsizer into a config of mmdet or mmsegmentation, and explain every edit.

python tools/swap_resizer.py CONFIG [--out FILE] [--resizer NAME] [--scale-factor F | --scale W H | --take-resize]
    [--fit CHECKPOINT] [--check]

CONFIG is a file or a name such as mmdet::detr/detr_r50_8xb2-150e_coco.py. The edited config is a few lines over it,
printed or written to --out. --take-resize moves the last Resize of the pipelines into the preprocessor, which then
downsizes straight from the image file's resolution. --fit trains nothing but the downsizer, to a finished model, by the
recipe of configs/_base_/fits. --check builds the result and computes losses, gradients and a prediction on made-up data.
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Edit, print the result if no file is named, and explain it."""
    run_command('swap', argv)


if __name__ == '__main__':
    main()
