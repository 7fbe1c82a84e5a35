"""Files of trained resizers: weights, constructor arguments and provenance, in safetensors. Reading one runs no code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdownsize import arguments
from mmdownsize.arguments import COLOR_ORDERS
from mmdownsize.refusal import MissingFile, MissingPackage, Refusal
from mmdownsize.resizers.settings import is_settings
from mmdownsize.storage import write_whole

VERSION = '1'
SHIPPED = Path(__file__).parents[1] / 'weights'  # NAME.safetensors, those that come with the package


@dataclass(frozen=True)
class SavedDownsizer:
    """The content of a file.

    Attributes:
        kind: Name of the resizer's class.
        arguments: The constructor's arguments that decide what the resizer computes.
        state: Its parameters and running statistics.
        provenance: How it was trained, free text by key.
        scale_factors: (lowest, highest) factor from the source's to the target's side that it was trained at. None: not
            known.
        color_order: ``'BGR'`` or ``'RGB'``: order of the channels of the images it was trained on. None: not known, or no
            colours.
    """

    kind: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]
    provenance: dict[str, str]
    scale_factors: tuple[float, float] | None = None
    color_order: str | None = None


def format_of(kind: str) -> str:
    """Return the value of ``format`` in a file, for the name of a resizer's class."""
    return f'mmdownsize.{kind}/{VERSION}'


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingPackage('trained downsizers are kept as safetensors: pip install safetensors') from error
    return safetensors


def list_pretrained() -> list[str]:
    """Return the names of the trained downsizers that come with the package, for ``from_pretrained`` and ``pretrained=``."""
    return sorted(path.stem for path in SHIPPED.glob('*.safetensors'))


def find(name_or_path: str | Path) -> Path:
    """Return the file of a name or path.

    Raises:
        FileNotFoundError: If there is none: lists the names that come with the package.
        ValueError: If it is not a name or a path.
    """
    if not isinstance(name_or_path, str | Path) or not str(name_or_path):
        raise Refusal(f'pretrained must be a name or a path, got {name_or_path!r}')
    shipped = SHIPPED / f'{name_or_path}.safetensors'
    if shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ', '.join(list_pretrained()) or 'none'
    why = 'it is a folder' if path.is_dir() else 'no such file'
    raise MissingFile(f'no trained downsizer {str(name_or_path)!r}: {why}, and those with the package are: {names}')


def save(
    path: str | Path,
    kind: str,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
    provenance: Mapping[str, str],
    scale_factors: tuple[float, float] | None = None,
    color_order: str | None = None,
) -> None:
    """Write a file. An existing one is replaced in one step, or not at all.

    Args:
        path: Where to.
        kind: Name of the resizer's class.
        settings: The constructor's arguments that decide what the resizer computes, as JSON can hold them.
        state: Parameters and running statistics, on any device. Their dtype is kept.
        provenance: Free text by key.
        scale_factors: (lowest, highest) factor from the source's to the target's side that it was trained at. None: not
            known.
        color_order: ``'BGR'`` or ``'RGB'``; None: not known, or no colours.

    Raises:
        ValueError: If ``scale_factors`` is not such a pair, or ``color_order`` not such an order.
    """
    metadata = {
        'format': format_of(kind),
        'arguments': json.dumps(dict(settings), sort_keys=True),
        'provenance': json.dumps(dict(provenance), sort_keys=True),
    }
    if scale_factors is not None:
        metadata['scale_factors'] = json.dumps(_range(scale_factors))
    if color_order is not None:
        metadata['color_order'] = arguments.choice('color_order', color_order, COLOR_ORDERS)
    content = _safetensors().torch.save({k: v.detach().cpu().contiguous() for k, v in state.items()}, metadata)
    write_whole(path, content)


def load(name_or_path: str | Path) -> SavedDownsizer:
    """Read a file.

    Args:
        name_or_path: A name that comes with the package, or a path.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not such a file.
    """
    path = find(name_or_path)
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, framework='pt') as opened:
            metadata = opened.metadata() or {}
            state = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118  (not a mapping)
    except safetensors.SafetensorError as error:
        raise Refusal(
            f'{path} is not a safetensors file ({error}); mmdownsize extract makes one from a checkpoint'
        ) from error
    found = metadata.get('format')
    named = re.fullmatch(r'mmdownsize\.(\w+)/(\w+)', str(found))
    if named is None:
        raise Refusal(
            f'{path} holds no downsizer ({found!r} instead of {format_of("DownsizeNet")!r} or the like); '
            'mmdownsize extract makes one from a checkpoint'
        )
    kind, version = named.groups()
    if version != VERSION:
        raise Refusal(f'{path} is {found!r}, this version reads {format_of(kind)!r}: use the mmdownsize that wrote it')
    factors = metadata.get('scale_factors')
    try:
        scale_factors = _range(json.loads(factors)) if factors is not None else None
    except ValueError as error:  # json raises ValueError too
        raise Refusal(f'{path}: its scale_factors are {factors!r} ({error}); write the file again') from error
    order = metadata.get('color_order')
    if order is not None and order not in COLOR_ORDERS:
        raise Refusal(f'{path}: its color_order is {order!r}, neither BGR nor RGB; write the file again')
    settings, provenance = (_by_name(path, metadata, key) for key in ('arguments', 'provenance'))
    return SavedDownsizer(kind, settings, state, provenance, scale_factors, order)


def _range(found: Any) -> tuple[float, float]:
    if isinstance(found, list | tuple) and len(found) == 2:
        low, high = (arguments.positive('scale_factors', factor) for factor in found)
        if low <= high:
            return low, high
    raise Refusal(f'scale_factors must be (lowest, highest), got {found!r}')


def _by_name(path: Path, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    text = metadata.get(key)
    try:
        found = json.loads(text or '')
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(f'{path}: its {key} must be a JSON object, got {text!r}; write the file again')
    return found


def differences(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return the reasons why weights cannot be loaded, a line each. Settings among them are not looked at."""
    state, expected = ({key: value for key, value in one.items() if not is_settings(key)} for one in (state, expected))
    found = [f'{key} is missing' for key in expected.keys() - state.keys()]
    found += [f'{key} is unknown' for key in state.keys() - expected.keys()]
    for key in expected.keys() & state.keys():
        if state[key].shape != expected[key].shape:
            found.append(f'{key} is {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}')
        elif state[key].is_floating_point() != expected[key].is_floating_point():
            found.append(f'{key} is {state[key].dtype} instead of {expected[key].dtype}')
        elif not torch.isfinite(state[key]).all():
            found.append(f'{key} is not finite')
    return sorted(found)
