"""Count the multiply-adds of a config's model with its downsizer, next to the same config with bilinear resizing.

python tools/get_flops.py CONFIG [--shape H W] [--cfg-options KEY=VALUE ...]

The downsizer is counted as its compiled back end computes it, the model behind it by mmengine, on one image of made-up
values. One multiply-add is one. Takes configs of mmdet and mmsegmentation, also those without a downsizer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import torch
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.model.utils import revert_sync_batchnorm
from rich.console import Console
from rich.table import Table
from torch import nn

from mmdownsize.configs import without_downloads
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.registry import MODELS
from mmdownsize.resizers import FixedResizer
from mmdownsize.resizers.cost import multiply_adds
from tools.export_onnx import load_config

DEFAULT_HW = {'mmdet': (800, 1344), 'mmseg': (512, 1024)}
CHANNELS = 3


@dataclass(frozen=True)
class Part:
    """A part of a pipeline.

    Attributes:
        name: Of the module.
        multiply_adds: Of one image.
        parameters: How many it has.
    """

    name: str
    multiply_adds: int
    parameters: int


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of mmdet or mmsegmentation')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help="image size that the pipeline delivers (default: the preprocessor's size, or 800 1344 and 512 1024)",
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override settings of the config'
    )
    return parser.parse_args(argv)


def made_up_batch(scope: str, src_hw: tuple[int, int]) -> dict[str, Any]:
    """Return one image with what its pipeline says about it.

    Raises:
        ValueError: If the scope is neither mmdet's nor mmseg's.
    """
    if scope == 'mmdet':
        from mmdet.structures import DetDataSample as DataSample
    elif scope == 'mmseg':
        from mmseg.structures import SegDataSample as DataSample
    else:
        raise ValueError(f"default_scope must be 'mmdet' or 'mmseg', got {scope!r}")
    meta = dict(img_id=0, img_path='', ori_shape=src_hw, img_shape=src_hw, scale_factor=(1.0, 1.0))
    image = torch.randint(0, 256, (CHANNELS, *src_hw), dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[DataSample(metainfo=meta)])


def parts_of(model: nn.Module, scope: str, src_hw: tuple[int, int]) -> tuple[list[Part], list[str]]:
    """Return what a model computes behind its data preprocessor, child by child, and which functions are not counted."""
    data = model.data_preprocessor(made_up_batch(scope, src_hw))
    model.forward = partial(model.forward, data_samples=data['data_samples'])
    try:
        analyzer = FlopAnalyzer(model, data['inputs'])
        by_module, skipped = analyzer.by_module(), analyzer.unsupported_ops()
    finally:
        del model.forward
    parameters = parameter_count(model)
    names = [name for name, _ in model.named_children() if name != 'data_preprocessor']
    found = [Part(name, int(by_module[name]), int(parameters[name])) for name in names]
    own = int(by_module['']) - sum(part.multiply_adds for part in found)
    # Of the rest it says nothing: a few operations a value. These are compiled ones, such as deformable convolutions.
    compiled = sorted({name.rpartition('.')[2] for name in skipped if name.startswith('prim::PythonOp')})
    return found + ([Part('between them', own, 0)] if own else []), compiled


def table_of(parts: Sequence[Part], downsizers: dict[str, Part], title: str) -> Table:
    """Return the table: a column of each downsizer."""
    table = Table('', title=title)
    for name in downsizers:
        table.add_column(f'{name}\nmillion multiply-adds', justify='right')
        table.add_column('\nparameters', justify='right')

    def row(label: str, of_each: Sequence[Part], **kwargs: Any) -> None:
        cells = [(f'{part.multiply_adds / 1e6:,.1f}', f'{part.parameters:,}') for part in of_each]
        table.add_row(label, *(cell for pair in cells for cell in pair), **kwargs)

    row('downsizer', list(downsizers.values()))
    for part in parts:
        row(part.name, [part] * len(downsizers))
    totals = [
        Part(
            'total',
            first.multiply_adds + sum(part.multiply_adds for part in parts),
            first.parameters + sum(part.parameters for part in parts),
        )
        for first in downsizers.values()
    ]
    table.add_section()
    row('total', totals, style='bold')
    return table


@dataclass(frozen=True)
class Count:
    """What a config computes on one image.

    Attributes:
        parts: Behind the preprocessor.
        downsizers: By name: the config's, and bilinear.
        src_hw: Size (h, w) of the image in px.
        dst_hw: The same behind the downsizer.
        skipped: Functions that are not counted.
    """

    parts: list[Part]
    downsizers: dict[str, Part]
    src_hw: tuple[int, int]
    dst_hw: tuple[int, int]
    skipped: list[str]


def count(cfg: Config, shape: Sequence[int] | None) -> Count:
    """Count.

    Args:
        cfg: The config, whose default scope is set.
        shape: Size (h, w) of the image in px; None: the preprocessor's, or a usual one.

    Raises:
        ValueError: If the config is neither mmdet's nor mmseg's.
    """
    scope = cfg.get('default_scope')
    size = cfg.model.data_preprocessor.get('size')
    default = tuple(size) if isinstance(size, Sequence) else DEFAULT_HW.get(scope, (0, 0))
    src_hw = tuple(shape) if shape else default
    without_downloads(cfg.model)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).eval()
    with torch.no_grad():
        parts, skipped = parts_of(model, scope, src_hw)
    preprocessor = model.data_preprocessor
    if not isinstance(preprocessor, DownsizeMixin):
        return Count(parts, {'no downsizer': Part('downsizer', 0, 0)}, src_hw, src_hw, skipped)
    dst_hw = preprocessor.target.of(src_hw)
    resizers = {type(preprocessor.downsizer).__name__: preprocessor.downsizer, 'bilinear': FixedResizer()}
    downsizers = {
        name: Part(
            'downsizer',
            multiply_adds(resizer, CHANNELS, src_hw, dst_hw),
            sum(parameter.numel() for parameter in resizer.parameters()),
        )
        for name, resizer in resizers.items()
    }
    return Count(parts, downsizers, src_hw, dst_hw, skipped)


def main(argv: Sequence[str] | None = None) -> None:
    """Count."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')  # or mmengine lists every operator that it does not count
    try:
        if args.shape and min(args.shape) < 1:
            raise ValueError(f'--shape must be H W, at least 1 each, got {args.shape}')
        found = count(load_config(args.config, args.cfg_options), args.shape)
    except (ImportError, ValueError) as error:
        sys.exit(str(error))
    sizes = ' to '.join(f'{h}x{w}' for h, w in dict.fromkeys((found.src_hw, found.dst_hw)))
    console = Console()
    console.print(table_of(found.parts, found.downsizers, f'{args.config.name}, one image of {sizes} px (h x w)'))
    if found.skipped:
        console.print(f'not counted: {", ".join(found.skipped)}')


if __name__ == '__main__':
    main()
