"""The model of a config, ready to build, and its preprocessor with a downsizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdownsize.command_line import building
from mmdownsize.configs import read_config
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.registry import MODELS


def model_config(path: Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Return a config whose ``model`` has a ``data_preprocessor``, and make its scope the default one of this process.

    Args:
        path: The config file.
        settings: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        Refusal: If there is no such file, it is not a config, or its model has no preprocessor.
    """
    cfg = read_config(path, settings)
    model = cfg.get('model')
    if not isinstance(model, dict) or not (model.get('data_preprocessor') or cfg.get('data_preprocessor')):
        raise Refusal(f'{path} has no model.data_preprocessor: mmdownsize swap puts a downsizer into a config')
    model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    with building():
        init_default_scope(cfg.get('default_scope', 'mmengine'))
    return cfg


def build_preprocessor(cfg: Config, path: Path) -> DownsizeMixin:
    """Build the preprocessor of a config, and return the part of it that has the downsizer.

    Args:
        cfg: What :func:`model_config` returns.
        path: The config file, for the message.

    Raises:
        Refusal: If it cannot be built, or has no downsizer.
    """
    with building():
        preprocessor = MODELS.build(cfg.model.data_preprocessor)
    found = find_preprocessor(preprocessor)
    if found is None:
        raise TypeRefusal(
            f'{path} has a {type(preprocessor).__name__} and no downsizer: '
            'mmdownsize swap puts a downsizer into a config'
        )
    return found
