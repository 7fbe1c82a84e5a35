"""Takes the downsizer out of a checkpoint, as a small file that any config can name."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmdownsize.checkpoints import DOWNSIZER, read_checkpoint, weights_of, weights_of_downsizer
from mmdownsize.command_line import building
from mmdownsize.configs import downsizing, read_config
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.preprocessors.checks import check_fits
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.resizers import TrainableResizer

# What mmengine notes of a training, and the file repeats.
NOTED = ('experiment_name', 'epoch', 'iter', 'seed', 'mmengine_version')


@dataclass(frozen=True)
class Options:
    """Which downsizer to take out, and what to say of it.

    Attributes:
        checkpoint: Checkpoint of a training with a downsizer that learns.
        out: File to write, ``.safetensors``.
        config: Config of the training; None: the one in the checkpoint.
        scale_factor: Factor from source to target size that it was trained at, or the lowest and the highest.
        color_order: ``'BGR'`` or ``'RGB'``: what its images came as. None: RGB if the config says ``rgb_to_bgr=True``, or else
            BGR, as OpenMMLab's loaders deliver them.
        note: What to add to the provenance, each ``'KEY=TEXT'``.
    """

    checkpoint: Path
    out: Path
    config: Path | None = None
    scale_factor: Sequence[float] | None = None
    color_order: str | None = None
    note: Sequence[str] = ()


def write(options: Options) -> str:
    """Write the file.

    Returns:
        What it holds, on one line.

    Raises:
        Refusal: If an option or the checkpoint cannot work.
        OSError: If the file cannot be written.
    """
    out, factors = options.out, options.scale_factor
    if out.suffix != '.safetensors':
        raise Refusal(f'{out}: the file is to end in .safetensors')
    notes = dict(note.split('=', 1) for note in options.note if '=' in note)
    if len(notes) != len(options.note):
        raise Refusal(f'--note KEY=TEXT, got {list(options.note)}')
    if factors is not None and len(factors) > 2:
        raise Refusal(f'--scale-factor LOWEST [HIGHEST], got {list(factors)}')
    checkpoint = read_checkpoint(options.checkpoint)
    meta = checkpoint.get('meta', {})
    if options.config is not None:
        settings = settings_in(options.config)
        swaps = read_config(options.config).model.data_preprocessor.get('rgb_to_bgr')
    elif 'cfg' in meta:
        settings = settings_of(str(meta['cfg']))
        swaps = rgb_to_bgr_of(str(meta['cfg']))
    else:
        raise Refusal(f'{options.checkpoint} holds no config: name it with --config')
    net = extract(checkpoint, settings)
    provenance = {key: str(meta[key]) for key in NOTED if key in meta}
    scale_factors = None if factors is None else (factors[0], factors[-1])
    colors = options.color_order or ('RGB' if swaps else 'BGR')
    order = colors if getattr(net, 'in_channels', 3) == 3 else None
    net.save_pretrained(out, {**provenance, 'torch': torch.__version__, **notes}, scale_factors, order)
    shown = '' if order is None else f', {order} images'
    return f'{out}: {sum(p.numel() for p in net.parameters()):,} parameters, {out.stat().st_size:,} bytes{shown}, {net}'


def extract(checkpoint: Mapping[str, Any], settings: Mapping[str, Any]) -> TrainableResizer:
    """Return the downsizer of a checkpoint.

    Args:
        checkpoint: As mmengine writes it.
        settings: Config of its downsizer.

    Raises:
        Refusal: If the checkpoint has no downsizer or one without parameters, its weights do not fit the settings, or they are
            not finite.
    """
    weights = weights_of_downsizer(weights_of(checkpoint))
    if not weights:
        raise Refusal(f'the checkpoint has no {DOWNSIZER}*: it was trained without a downsizer, or with a fixed one')
    try:
        with building():
            net = build_resizer({key: value for key, value in settings.items() if key != 'init_cfg'})
    except FileNotFoundError as error:  # the training started from a file that is gone
        raise Refusal(f'{error}. The config names it with pretrained=; its arguments are needed') from error
    if not isinstance(net, TrainableResizer):
        raise TypeRefusal(f'the downsizer is a {type(net).__name__}; only a TrainableResizer is kept as a file')
    check_fits(weights, net, 'the checkpoint')
    net.load_state_dict(weights)
    return net


def settings_in(config: Path) -> dict[str, Any]:
    """Return the downsizer's settings of a config file.

    Raises:
        Refusal: If there is no such file, or no settings of a downsizer in it.
    """
    cfg = read_config(config)
    found = downsizing(cfg)
    downsizer = found[1]['downsizer'] if found else None
    if not isinstance(downsizer, dict):
        raise Refusal(f'{config} has model.data_preprocessor.downsizer={downsizer!r}: a config is needed')
    return dict(downsizer)


def settings_of(text: str) -> dict[str, Any]:
    """Return the downsizer's settings of a config that a checkpoint holds. The config may hold anything: it is not run.

    Args:
        text: As mmengine dumps a config: assignments of ``dict(...)``, lists, strings and numbers.

    Raises:
        Refusal: If the settings are not there in that form.
    """
    try:
        found = _literal(_preprocessor(text)['downsizer'])
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError) as error:
        raise Refusal(
            f"the checkpoint's config has no model.data_preprocessor.downsizer that can be read without running it "
            f'({type(error).__name__}: {error}): name one that you trust with --config'
        ) from error
    if not isinstance(found, dict):
        raise Refusal(f"the checkpoint's config has downsizer={found!r}, no settings: name another with --config")
    return found


def rgb_to_bgr_of(text: str) -> bool:
    """Return whether the preprocessor of a config that a checkpoint holds swaps the colours of RGB images."""
    node = _preprocessor(text).get('rgb_to_bgr')
    return isinstance(node, ast.Constant) and node.value is True


def _preprocessor(text: str) -> dict[Any, ast.expr]:
    """Return the settings of the preprocessor that has the downsizer, which may be inside another one."""
    assigned = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
    parts = (
        _with_downsizer(assigned[key], key != 'model') for key in ('model', 'data_preprocessor') if key in assigned
    )
    found = next((part for part in parts if part is not None), None)
    # Where there is none, looking at the usual place says what is wrong there.
    return found or _items(_items(assigned['model'])['data_preprocessor'])


def _with_downsizer(node: ast.expr, inside: bool = False) -> dict[Any, ast.expr] | None:
    """Return the settings of the part of a model that has the downsizer.

    Args:
        node: Settings of a model, or of one of its parts.
        inside: Whether they are those of a preprocessor, or of a part of one.
    """
    try:
        items = _items(node)
    except ValueError:
        return None
    if inside and 'downsizer' in items:
        return items
    parts = (_with_downsizer(part, inside or key == 'data_preprocessor') for key, part in items.items())
    return next((part for part in parts if part is not None), None)


def _items(node: ast.expr) -> dict[Any, ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {keyword.arg: keyword.value for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {_literal(key): value for key, value in zip(node.keys, node.values)}
    raise ValueError(f'{ast.unparse(node)[:60]} is no dict')


def _literal(node: Any) -> Any:
    if isinstance(node, ast.Call | ast.Dict):
        return {key: _literal(value) for key, value in _items(node).items()}
    if isinstance(node, ast.List | ast.Tuple):
        elements = [_literal(element) for element in node.elts]
        return elements if isinstance(node, ast.List) else tuple(elements)
    return ast.literal_eval(node)
