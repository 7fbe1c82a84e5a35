"""A learned, texture-aware image downsizer in front of any mmdet or mmseg model."""

from mmdownsize.version import __version__

__all__ = ['__version__']
