"""Take the downsizer out of a checkpoint, as a small file that any config can name.

python tools/extract_downsizer.py CHECKPOINT OUT.safetensors [--scale-factor LOWEST [HIGHEST]] [--note KEY=TEXT ...]

Then ``downsizer=dict(type='DownsizeNet', pretrained='OUT.safetensors')``, or of whatever type it is, with ``frozen=True`` if it
is not to be trained on. The constructor's arguments come from the config that mmengine keeps in its checkpoints, or from
--config.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import torch

from mmdownsize.checkpoints import read_checkpoint
from mmdownsize.command_line import in_one_line
from mmdownsize.configs import read_config
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.preprocessors.weights import check_fits
from mmdownsize.resizers import TrainableResizer

PREFIX = 'data_preprocessor.downsizer.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a training with a downsizer that learns')
    parser.add_argument('out', type=Path, help='file to write, .safetensors')
    parser.add_argument('--config', type=Path, help='config of the training, where the checkpoint has none')
    parser.add_argument(
        '--scale-factor',
        type=float,
        nargs='+',
        metavar='FACTOR',
        help='factor from source to target that it was trained at, or the lowest and the highest: who uses it far from there '
        'is warned',
    )
    parser.add_argument('--note', action='append', default=[], metavar='KEY=TEXT', help='added to the provenance')
    return parser.parse_args(argv)


def settings_of(text: str) -> dict[str, Any]:
    """Return the downsizer's settings of a config that a checkpoint holds, without running it: it may hold anything.

    Args:
        text: As mmengine dumps a config: assignments of ``dict(...)``, lists, strings and numbers.

    Raises:
        ValueError: If they are not there in that form.
    """
    try:
        assigned = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
        node = assigned['model']
        for key in ('data_preprocessor', 'downsizer'):
            node = _items(node)[key]
        found = _literal(node)
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(
            f"the checkpoint's config has no model.data_preprocessor.downsizer that can be read without running it "
            f'({type(error).__name__}: {error}): name one that you trust with --config'
        ) from error
    if not isinstance(found, dict):
        raise ValueError(f"the checkpoint's config has downsizer={found!r}, no settings: name another with --config")
    return found


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


def extract(checkpoint: dict[str, Any], settings: dict[str, Any]) -> TrainableResizer:
    """Return the downsizer of a checkpoint.

    Args:
        checkpoint: As mmengine writes it.
        settings: Config of its downsizer.

    Raises:
        ValueError: If it has none, or one without parameters, or it does not fit the settings, or its weights are not finite.
    """
    weights = checkpoint.get('state_dict', checkpoint)
    state = {key.removeprefix(PREFIX): value for key, value in weights.items() if key.startswith(PREFIX)}
    if not state:
        raise ValueError(f'the checkpoint has no {PREFIX}*: it was trained without a downsizer, or with a fixed one')
    try:
        net = build_resizer({key: value for key, value in settings.items() if key != 'init_cfg'})
    except FileNotFoundError as error:  # of a downsizer that was itself trained on from a file
        raise ValueError(f'{error}. The config names it with pretrained=; its arguments are needed') from error
    if not isinstance(net, TrainableResizer):
        raise ValueError(f'the downsizer is a {type(net).__name__}; only a TrainableResizer is kept as a file')
    check_fits(state, net.state_dict(), 'the checkpoint')
    net.load_state_dict(state)
    return net


def main(argv: Sequence[str] | None = None) -> None:
    """Write the file."""
    args = parse_args(argv)
    with in_one_line(TypeError, ValueError):
        write(args)


def write(args: argparse.Namespace) -> None:
    """Write the file.

    Raises:
        ValueError: If an option or the checkpoint is not what it should be.
    """
    if args.out.suffix != '.safetensors':
        raise ValueError(f'{args.out}: the file is to end in .safetensors')
    notes = dict(note.split('=', 1) for note in args.note if '=' in note)
    if len(notes) != len(args.note):
        raise ValueError(f'--note KEY=TEXT, got {args.note}')
    factors = args.scale_factor
    if factors is not None and len(factors) > 2:
        raise ValueError(f'--scale-factor LOWEST [HIGHEST], got {factors}')
    checkpoint = read_checkpoint(args.checkpoint)
    meta = checkpoint.get('meta', {})
    if args.config is not None:
        downsizer = read_config(args.config).get('model', {}).get('data_preprocessor', {}).get('downsizer')
        if not isinstance(downsizer, dict):
            raise ValueError(f'{args.config} has model.data_preprocessor.downsizer={downsizer!r}: a config is needed')
        settings = dict(downsizer)
    elif 'cfg' in meta:
        settings = settings_of(str(meta['cfg']))
    else:
        raise ValueError(f'{args.checkpoint} holds no config: name it with --config')
    net = extract(checkpoint, settings)
    provenance = {
        key: str(meta[key]) for key in ('experiment_name', 'epoch', 'iter', 'seed', 'mmengine_version') if key in meta
    }
    scale_factors = None if factors is None else (factors[0], factors[-1])
    net.save_pretrained(args.out, {**provenance, 'torch': torch.__version__, **notes}, scale_factors)
    print(
        f'{args.out}: {sum(p.numel() for p in net.parameters()):,} parameters, {args.out.stat().st_size:,} bytes, {net}'
    )


if __name__ == '__main__':
    main()
