"""Export a config's downsizer, or its segmentor with the downsizer, to ONNX, and compare it with PyTorch.

python tools/export_onnx.py CONFIG [CHECKPOINT] --out FILE.onnx [--part segmentor] [--dtype uint8] [--rgb] [--markdown]

The graph takes any batch and any image size. It consists of plain operators. It is run in onnxruntime at sizes that it was
not recorded with, and written only if it gives what PyTorch gives there. Needs pip install "mmdownsize[deploy]".
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Export."""
    run_command('export', argv)


if __name__ == '__main__':
    main()
