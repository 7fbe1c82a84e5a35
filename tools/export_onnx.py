"""Export a config's downsizer, or its segmentor with the downsizer in front, to ONNX, and compare it with PyTorch.

python tools/export_onnx.py CONFIG [CHECKPOINT] --out FILE.onnx [--part segmentor] [--dtype uint8] [--rgb] [--markdown]

The graph takes any batch and any image size; it consists of plain operators. It is run in onnxruntime at sizes it was not
recorded at, and written only if it gives what PyTorch gives there. Needs pip install "mmdownsize[deploy]".
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import nn

from mmdownsize.checkpoints import allow_mmengine_checkpoints
from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import INPUT, INPUT_DTYPES, MIN_OPSET, record, require, write
from mmdownsize.deploy.parity import Parity, parity
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.registry import MODELS
from mmdownsize.version import __version__

PREPROCESSOR = 'data_preprocessor.'
DOWNSIZER = PREPROCESSOR + 'downsizer.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help="config with one of mmdownsize's preprocessors")
    parser.add_argument('checkpoint', type=Path, nargs='?', help='checkpoint of it; without one: untrained weights')
    parser.add_argument('--out', type=Path, required=True, help='file to write, .onnx')
    parser.add_argument(
        '--part',
        choices=['downsizer', 'segmentor'],
        default='downsizer',
        help='the downsizer alone (default), or downsizer, normalisation and segmentor in one graph',
    )
    parser.add_argument(
        '--dtype', choices=list(INPUT_DTYPES), default='float32', help='of the images, 0..255 (default: float32)'
    )
    parser.add_argument('--rgb', action='store_true', help='take RGB images; by default BGR, as OpenMMLab loads them')
    parser.add_argument('--opset', type=int, default=MIN_OPSET, help=f'of ONNX (default: {MIN_OPSET})')
    parser.add_argument(
        '--example', type=int, nargs=2, default=(256, 320), metavar=('H', 'W'), help='image size to record with'
    )
    parser.add_argument('--markdown', action='store_true', help='print the comparison as Markdown')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.test_cfg.mode=whole',
    )
    return parser.parse_args(argv)


def load_config(path: Path, options: dict[str, Any] | None) -> Config:
    """Return the config.

    Raises:
        ValueError: If there is no such file, or no preprocessor with a downsizer in it.
    """
    if not path.is_file():
        raise ValueError(f'no such config: {path}')
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options or {})
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    if cfg.get('model') is None or not (cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')):
        raise ValueError(f'{path} has no model.data_preprocessor: tools/swap_resizer.py puts a downsizer into a config')
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    return cfg


def load_state(path: Path | None, prefix: str = '') -> dict[str, Any]:
    """Return a checkpoint's weights below a prefix; none without a checkpoint.

    Raises:
        ValueError: If there is no such file.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise ValueError(f'no such checkpoint: {path}')
    allow_mmengine_checkpoints()
    loaded = torch.load(path, map_location='cpu')
    state = loaded.get('state_dict', loaded)
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def fill(module: nn.Module, state: dict[str, Any], downsizer: str) -> list[str]:
    """Load weights into a module; a checkpoint of the model without a downsizer leaves that at its start.

    Returns:
        What is worth knowing about it, a line each.

    Raises:
        ValueError: If weights are missing or have the wrong shape.
    """
    try:
        missing, unknown = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f'the checkpoint does not fit the config: {error}') from error
    ours = [key for key in missing if key.startswith(downsizer)]
    theirs = [key for key in missing if not key.startswith(downsizer)]
    if theirs or 0 < len(ours) < len([key for key in module.state_dict() if key.startswith(downsizer)]):
        raise ValueError(f'the checkpoint does not fit the config: {", ".join(theirs or ours)} missing')
    notes = ['the checkpoint has no downsizer: it is exported as it starts'] if ours else []
    return notes + ([f'not used: {", ".join(unknown)}'] if unknown else [])


def load_part(cfg: Config, args: argparse.Namespace) -> tuple[nn.Module, list[str]]:
    """Return what is to be exported, and notes on it.

    Raises:
        TypeError: If it is of a kind that is not exported; says what to do.
        ValueError: If files are missing or do not fit.
    """
    notes = [] if args.checkpoint else ['no checkpoint: the weights are untrained']
    if args.part == 'segmentor':
        if cfg.get('default_scope') != 'mmseg':
            raise TypeError(
                f'--part segmentor needs a config of mmsegmentation, got default_scope={cfg.get("default_scope")!r}; of '
                'detectors only --part downsizer is exported'
            )
        from mmdownsize.deploy.segmentor import DownsizedSegmentor

        model = MODELS.build(cfg.model)
        if args.checkpoint:
            notes += fill(model, load_state(args.checkpoint), DOWNSIZER)
        return DownsizedSegmentor(model, swap_colors=args.rgb), notes
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    if not isinstance(preprocessor, DownsizeMixin):
        raise TypeError(f'{args.config} has a {type(preprocessor).__name__} and no downsizer')
    if args.checkpoint:
        notes += fill(preprocessor, load_state(args.checkpoint, PREPROCESSOR), 'downsizer.')
    return Downsizer(preprocessor.downsizer, preprocessor.target, swap_colors=args.rgb), notes


def metadata(cfg: Config, args: argparse.Namespace) -> dict[str, str]:
    """Return what the file says about itself."""
    preprocessor = cfg.model.data_preprocessor
    target = {key: preprocessor[key] for key in ('scale_factor', 'scale', 'keep_ratio') if preprocessor.get(key)}
    return {
        'mmdownsize.version': __version__,
        'mmdownsize.part': args.part,
        'mmdownsize.downsizer': json.dumps(preprocessor.downsizer.to_dict(), default=str),
        'mmdownsize.target': json.dumps(target),
        'mmdownsize.input': f'{INPUT}: (N, C, H, W) {args.dtype}, 0..255, {"RGB" if args.rgb else "BGR"}',
        'mmdownsize.config': cfg.pretty_text,
        'mmdownsize.config_name': args.config.name,
        'mmdownsize.checkpoint': args.checkpoint.name if args.checkpoint else '',
        'torch.version': torch.__version__,
    }


def checked_shapes(example_hw: Sequence[int], channels: int) -> list[tuple[int, int, int, int]]:
    """Return three batches that share no side and no batch size with the recording."""
    h, w = example_hw
    return [
        (1, channels, h * 3 // 4 + 1, w * 5 // 4 + 3),
        (3, channels, h + 37, w - w // 5),
        (4, channels, h // 2 + 5, w // 2 + 11),
    ]


def table_of(results: Sequence[Parity]) -> Table:
    """Return the comparison as a table."""
    table = Table('images', 'output', 'shape', 'largest value', 'difference', 'limit', '')
    for row in rows_of(results):
        table.add_row(*row, style='' if row[-1] == 'equal' else 'bold red')
    return table


def markdown_of(results: Sequence[Parity]) -> str:
    """Return the comparison as Markdown."""
    head = ['images', 'output', 'shape', 'largest value', 'difference', 'limit', '']
    return '\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows_of(results)])


def rows_of(results: Sequence[Parity]) -> list[list[str]]:
    """Return one row a result."""
    return [
        [
            'x'.join(map(str, result.shape)),
            result.output,
            'x'.join(map(str, result.output_shape)),
            f'{result.largest:.4g}',
            f'{result.difference:.1e}',
            f'{result.limit:.1e}',
            result.failure or ('equal' if result.passed else 'differs'),
        ]
        for result in results
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Export."""
    args = parse_args(argv)
    console = Console(stderr=True)
    try:
        if args.out.suffix != '.onnx':
            raise ValueError(f'{args.out}: the file is to end in .onnx')
        onnx = require('onnx')
        cfg = load_config(args.config, args.cfg_options)
        module, notes = load_part(cfg, args)
        resizer = module.resizer if args.part == 'downsizer' else module.downsizer.resizer
        channels = getattr(resizer, 'in_channels', 3)
        if args.rgb and channels != 3:
            raise ValueError(f'--rgb needs images of 3 channels, the downsizer takes {channels}')
        content = record(
            module,
            tuple(args.example),
            channels=channels,
            dtype=args.dtype,
            opset=args.opset,
            metadata=metadata(cfg, args),
        )
        results = parity(content, module, checked_shapes(args.example, channels), dtype=args.dtype)
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        sys.exit(str(error))
    if args.markdown:
        print(markdown_of(results))
    else:
        console.print(table_of(results))
    if not all(result.passed for result in results):
        sys.exit(
            'the graph does not give what PyTorch gives, and is not written: something in the model is a constant of the '
            f'size {tuple(args.example)} that it was recorded with; --part downsizer exports what is in front of it'
        )
    try:
        write(args.out, content)
    except OSError as error:
        sys.exit(f'{args.out} is not written: {error}')
    operators = Counter(node.op_type for node in onnx.load_from_string(content).graph.node)
    for note in notes:
        console.print(f'note: {note}')
    console.print(
        f'{args.out}: {len(content):,} bytes, opset {args.opset}, {INPUT} -> {", ".join(module.outputs)}; '
        f'{sum(operators.values())} operators: {", ".join(sorted(operators))}'
    )


if __name__ == '__main__':
    main()
