"""Configs: how one is read, and what its parts are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

import mmdownsize.registry  # noqa: F401  (lets a config say _base_ = 'mmdownsize::...')
from mmdownsize.places import PACKAGE, shipped
from mmdownsize.refusal import Refusal, in_words


def config_file(name: str | Path) -> Path:
    """Return the file of a config, as every command line names it.

    Args:
        name: A file, or ``PACKAGE::NAME`` of one that a package ships, such as ``mmdet::detr/detr_r50_8xb2-150e_coco.py``.

    Raises:
        Refusal: If there is none: says what the package has that comes close, or that there is no such package.
    """
    package, separator, inside = str(name).partition('::')
    if not separator:
        if not Path(name).is_file():
            raise Refusal(f'no such config: {name}')
        return Path(name)
    folder = _configs_of(package)
    if folder is None:
        raise Refusal(f'no config {name}: {package} is not installed, or ships no configs')
    known = [path.relative_to(folder).as_posix() for path in folder.rglob('*.py')]
    if inside not in known:
        same = [path for path in known if Path(path).name == Path(inside).name]
        near = same[:1] or get_close_matches(inside, known, n=1)
        way_out = f'did you mean {package}::{near[0]}?' if near else f'{package} has no such file, see {folder}'
        raise Refusal(f'no config {name}: {way_out}')
    return folder / inside


def _configs_of(package: str) -> Path | None:
    """Return the folder of the configs that a package ships; None if there is none. The package is not imported."""
    if package == PACKAGE.name:
        return shipped('')
    spec = find_spec(package) if package.isidentifier() else None
    folders = [Path(path, '.mim', 'configs') for path in (spec and spec.submodule_search_locations) or ()]
    return next(filter(Path.is_dir, folders), None)


def read_config(path: str | Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Return a config, with settings of the command line in it.

    Args:
        path: A config file, or ``PACKAGE::NAME`` of one that a package ships.
        settings: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        Refusal: If there is no such config, it cannot be read, or it has no place for a setting.
    """
    file = config_file(path)
    try:
        cfg = Config.fromfile(file)
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
    return read_config(name), name if '::' in name else str(Path(name).resolve())


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
    known = sorted(path.stem for path in FRAGMENTS.glob('*.py'))
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f'did you mean {near[0]!r}? ' if near else ''
        raise Refusal(
            f'unknown resizer {name!r}: {meant}choose one of {", ".join(known)}: they are in configs/_base_/downsize'
        )
    fragment = Config.fromfile(FRAGMENTS / f'{name}.py')
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


def downsizing(cfg: Config) -> tuple[str, dict[str, Any]] | None:
    """Return what :func:`preprocessor_settings` finds in a config, whose preprocessor may be outside its model."""
    outside = cfg.get('data_preprocessor')
    return preprocessor_settings(cfg.get('model')) or preprocessor_settings(outside, 'data_preprocessor')


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


def in_one_process(settings: Any) -> None:
    """Say torch's ``SyncBN`` for mmcv's ``MMSyncBN`` in a model's settings: mmcv's looks for other processes when built."""
    for node in nodes(settings):
        if node.get('type') == 'MMSyncBN':
            node['type'] = 'SyncBN'


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
