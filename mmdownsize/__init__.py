"""A learned, texture-aware image downsizer before any mmdet or mmseg model.

Importing the package imports nothing else. Its public names are imported when they are first asked for::

    import mmdownsize
    small = mmdownsize.resize_image(image, scale_factor=0.3, resizer=mmdownsize.list_pretrained()[0])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mmdownsize.version import __version__

if TYPE_CHECKING:
    from mmdownsize.images.resize import resize_image
    from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer
    from mmdownsize.resizers.io import list_pretrained

__all__ = [
    'DownsizeNet',
    'FixedResizer',
    'ImportanceResizer',
    'LearnedResizer',
    'MullerResizer',
    '__version__',
    'list_pretrained',
    'resize_image',
]

_HOME = {
    'DownsizeNet': 'mmdownsize.resizers',
    'FixedResizer': 'mmdownsize.resizers',
    'ImportanceResizer': 'mmdownsize.resizers',
    'LearnedResizer': 'mmdownsize.resizers',
    'MullerResizer': 'mmdownsize.resizers',
    'list_pretrained': 'mmdownsize.resizers.io',
    'resize_image': 'mmdownsize.images.resize',
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
