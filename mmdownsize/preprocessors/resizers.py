"""Resizers as configs name them: their registration, and how a preprocessor builds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry
from torch import nn

from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer, LearnedResizer, MullerResizer

RESIZERS: tuple[type[nn.Module], ...] = (DownsizeNet, FixedResizer, LearnedResizer, MullerResizer)

for _resizer in RESIZERS:
    MODELS.register_module(module=_resizer)


def build_resizer(cfg: Mapping[str, Any] | nn.Module | None) -> nn.Module:
    """Build the downsizer of a preprocessor.

    Args:
        cfg: Config with ``type``: a name registered in mmdownsize or above it (any other with its scope, ``'mmdet.X'``), or a
            class. Or the module itself.

    Returns:
        The module, called as ``module(images, (h, w))``.

    Raises:
        ValueError: If there is no config, no type in it, or no such type.
    """
    if isinstance(cfg, nn.Module):
        return cfg
    known = ', '.join(resizer.__name__ for resizer in RESIZERS)
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise ValueError(
            f"downsizer must be a config such as dict(type='DownsizeNet'), got {cfg!r}; known types: {known}"
        )
    kind = cfg['type']
    # Inside a detector's build, mmengine would look a bare name up in the detector's own scope.
    scope = MODELS.scope
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(scope) as registry:
            found = _find(registry, kind)
        if found is None:
            raise ValueError(
                f'unknown downsizer {kind!r}; known types: {known}; others need their scope, as in mmdet.X'
            )
    return MODELS.build({**cfg, '_scope_': scope})


def _find(registry: Registry, kind: str) -> Any:
    try:
        found = registry.get(kind)
    except RuntimeError:  # mmengine takes an unknown name for an object's path, and says so if that has no form of one
        return None
    return found if callable(found) else None  # a module of Python also has a name
