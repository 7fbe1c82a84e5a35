"""Configs: how one is read, and what its parts are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hub import get_config

from mmdownsize.places import shipped
from mmdownsize.refusal import Refusal, in_words


def read_config(path: str | Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Return a config, with settings of the command line in it.

    Args:
        path: The config file.
        settings: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        Refusal: If there is no such file, it is not a config, or it has no place for a setting.
    """
    if not Path(path).is_file():
        raise Refusal(f'no such config: {path}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is a program
        raise Refusal(f'{path} cannot be read as a config: {in_words(error)}') from error
    try:
        cfg.merge_from_dict(dict(settings or {}))
    except Exception as error:
        raise Refusal(f'{path} has no place for {dict(settings or {})}: {in_words(error)}') from error
    return cfg


def read_named_config(name: str) -> tuple[Config, str]:
    """Return a config, and what ``_base_`` of another config calls it.

    Args:
        name: A config file, or ``PACKAGE::NAME`` of one that a package ships.

    Raises:
        Refusal: If there is no such config, or it cannot be read.
    """
    if '::' not in name:
        return read_config(name), str(Path(name).resolve())
    try:
        return get_config(name), name
    except Exception as error:  # mmengine's own are of many kinds
        raise Refusal(f'no config {name}: {in_words(error)}') from error


def is_pure_python(cfg: Config) -> bool:
    """Return whether a config is of mmengine's pure Python style, which imports what it names. It has classes for names."""
    return bool(cfg._imported_names)


def with_names(cfg: Config) -> Config:
    """Return a pure Python config as one that names classes, each with its module: ``'mmdet.models.RetinaNet'``.

    Raises:
        Refusal: If it holds something that has no name.
    """
    try:
        return Config.fromstring(cfg.pretty_text, '.py')
    except Exception as error:  # what is no literal is written as Python prints it, which may be anything
        raise Refusal(
            f'{cfg.filename} is a pure Python config with something in it that cannot be written as text: {in_words(error)}'
        ) from error


FRAGMENTS = shipped('_base_/downsize')


def read_fragment(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the downsizer of a fragment, and the multiples of the learning rate that go with it, by parameter.

    Args:
        name: Name of a file in ``configs/_base_/downsize``, without ``.py``.

    Raises:
        Refusal: If there is no such fragment.
    """
    path = FRAGMENTS / f'{name}.py'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in FRAGMENTS.glob('*.py')))
        raise Refusal(f'unknown fragment {name!r}, choose one of {known}: they are in configs/_base_/downsize')
    fragment = Config.fromfile(path)
    return fragment.downsizer.to_dict(), fragment.get('downsizer_rates', Config()).to_dict()


def type_of(cfg: Any) -> str | None:
    """Return what a config names as its ``type``, scope included; None if there is none."""
    kind = cfg.get('type') if cfg else None
    return kind if kind is None or isinstance(kind, str) else kind.__name__


def name_of(cfg: Mapping[str, Any]) -> str:
    """Return the name of the class that a config builds, without a registry's scope or a module's path.

    ``'mmcv.Normalize'`` and torchvision's, which mmpretrain calls ``'torchvision/Normalize'``, are both ``'Normalize'``.
    """
    return (type_of(cfg) or '').replace('/', '.').rpartition('.')[2]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every dict in a config, outer ones first."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list | tuple):
        for value in node.values() if isinstance(node, dict) else node:
            yield from nodes(value)


def preprocessor_settings(model: Any, path: str = 'model') -> tuple[str, dict[str, Any]] | None:
    """Return the settings of the preprocessor that has the downsizer, and their place in the config; None if there is none.

    A preprocessor may be inside another one, and a model inside another.

    Args:
        model: Settings of a model, or of one of its parts.
        path: Their place in the config, dotted.

    Returns:
        A dotted path, such as ``'model.data_preprocessor'``, and the settings there, which have a ``downsizer``.
    """
    if not isinstance(model, dict):
        return None
    if 'downsizer' in model and 'data_preprocessor' in path.split('.'):
        return path, model
    return next(filter(None, (preprocessor_settings(part, f'{path}.{key}') for key, part in model.items())), None)


def channels_of(model: Any) -> int:
    """Return how many channels a model's images have.

    They are those that its backbone is set to. If it has no such setting, they are as many as the preprocessor's ``mean`` has
    values. A single value is for any number of channels; then they are those of the downsizer, or 3.

    Args:
        model: Settings of a model.
    """
    backbones = (node.get(name) for node in nodes(model) for name in ('backbone', 'image_encoder'))
    counts = [backbone.get('in_channels') for backbone in backbones if isinstance(backbone, dict)]
    means = (node.get('mean') for node in nodes(model.get('data_preprocessor')))
    counts += [len(mean) for mean in means if isinstance(mean, list | tuple) and len(mean) > 1]
    downsizers = (node.get('downsizer') for node in nodes(model.get('data_preprocessor')))
    counts += [downsizer.get('in_channels') for downsizer in downsizers if isinstance(downsizer, dict)]
    return next((count for count in counts if isinstance(count, int)), 3)


def has_downsizer(cfg: Any) -> bool:
    """Return whether some part of a model's config has a downsizer."""
    return any(node.get('downsizer') for node in nodes(cfg))


def without_downloads(node: Any) -> None:
    """Take every pretrained checkpoint out of a model's config."""
    if isinstance(node, dict):
        if isinstance(node.get('init_cfg'), dict) and 'checkpoint' in node['init_cfg']:  # PVT's has no type
            node['init_cfg'] = None
        elif isinstance(node.get('init_cfg'), list):
            node['init_cfg'] = [init for init in node['init_cfg'] if 'checkpoint' not in init]
        for key in ('pretrained', 'teacher_ckpt'):  # the latter of mmdet's distillers
            if isinstance(node.get(key), str):
                node[key] = None
        for value in node.values():
            without_downloads(value)
    elif isinstance(node, list | tuple):
        for value in node:
            without_downloads(value)
