"""Resizers as configs name them: their registration, and how a preprocessor builds one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from mmengine.registry import Registry
from torch import nn

from mmdownsize.arguments import check_keywords
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import (
    DownsizeNet,
    FixedResizer,
    ImportanceResizer,
    LearnedResizer,
    MullerResizer,
    TrainableResizer,
)

RESIZERS: tuple[type[nn.Module], ...] = (DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer)
RGB = 3  # the channels that a resizer takes if its config does not say
KNOWN = ', '.join(resizer.__name__ for resizer in RESIZERS)

for _resizer in RESIZERS:
    MODELS.register_module(module=_resizer)


def build_resizer(cfg: Mapping[str, Any] | nn.Module | None) -> nn.Module:
    """Build the downsizer of a preprocessor.

    Args:
        cfg: Config with ``type``, or the module itself. A type is a class, or a name that mmdownsize or mmengine registers, or
            any other with its scope, ``'mmdet.X'``. ``pretrained`` names a trained downsizer to load.

    Returns:
        The module, called as ``module(images, (h, w))``.

    Raises:
        ValueError: If there is no config, no type in it, or no such type.
        TypeError: If the type has no setting of that name, is not a module, or is not called like one above.
    """
    if isinstance(cfg, nn.Module):
        return _check_call(cfg)
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise Refusal(f"downsizer must be a config such as dict(type='DownsizeNet'), got {cfg!r}; known types: {KNOWN}")
    found = _find_type(cfg['type'])
    trainable = isinstance(found, type) and issubclass(found, TrainableResizer)
    settings = {key: value for key, value in cfg.items() if key not in ('type', '_scope_')}
    also = ['pretrained'] if trainable else []
    check_keywords(found.__name__, settings, found, also=also, otherwise=partial(_of_another_type, found.__name__))
    pretrained = settings.pop('pretrained', None) if trainable else None
    if pretrained is not None:
        return _check_call(found.from_pretrained(pretrained, **settings))
    return _check_call(MODELS.build({'type': cfg['type'], **settings, '_scope_': MODELS.scope}))


def _of_another_type(kind: str, setting: str) -> str:
    """Return what to do about a setting of another resizer, which a config inherits when it changes the type alone.

    Also about a size, which is the preprocessor's.
    """
    if setting in ('size', 'scale', 'scale_factor'):
        return '. The preprocessor takes it, beside downsizer: scale=(w, h) in px, or scale_factor'
    owners = [
        one.__name__
        for one in RESIZERS
        if setting in inspect.signature(one).parameters
        or (setting == 'pretrained' and issubclass(one, TrainableResizer))
    ]
    if not owners:
        return ''
    return (
        f'. It is one of {" and ".join(owners)}: a config that changes the type of an inherited downsizer says '
        f'downsizer=dict(_delete_=True, type={kind!r}, ...)'
    )


def for_channels(cfg: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """Return the config of a downsizer for images of so many channels: with ``in_channels``, where its type takes it.

    Args:
        cfg: Config of a downsizer. What it says itself stays, and so does what a ``pretrained`` one has.
        channels: Channels C of the images.
    """
    if channels == RGB or 'in_channels' in cfg or 'pretrained' in cfg:
        return dict(cfg)
    takes = 'in_channels' in inspect.signature(_find_type(cfg.get('type'))).parameters
    return {**cfg, 'in_channels': channels} if takes else dict(cfg)


def _find_type(kind: Any) -> Any:
    """Return the class, or the function, of a config's ``type``."""
    if not isinstance(kind, str | type):
        raise Refusal(f'unknown downsizer {kind!r}; known types: {KNOWN}')
    found: Any = kind
    if isinstance(kind, str):
        # While a detector is built, mmengine would look up a name without a scope in the detector's own.
        with MODELS.switch_scope_and_registry(MODELS.scope) as registry:
            found = _look_up(registry, kind)
        if found is None:
            raise Refusal(f'unknown downsizer {kind!r}; known types: {KNOWN}; others need their scope, as in mmdet.X')
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise TypeRefusal(f'a downsizer must be a torch.nn.Module, {found.__name__} is none; known types: {KNOWN}')
    return found


def _look_up(registry: Registry, kind: str) -> Any:
    try:
        found = registry.get(kind)
    except RuntimeError:  # mmengine takes an unknown name for the path of an object, and raises if it cannot be one
        return None
    return found if callable(found) else None  # the name may be that of a module of Python


def _check_call(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise TypeRefusal(f'a downsizer must be a torch.nn.Module, got {module!r} of its type')
    try:
        inspect.signature(module.forward).bind(None, (1, 1))
    except TypeError as error:
        raise TypeRefusal(
            f'a downsizer is called as module(images, (h, w)), which {type(module).__name__} is not made for: {error}'
        ) from error
    return module
