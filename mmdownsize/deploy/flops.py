"""Multiply-adds and parameters of a config's model, part by part, with its downsizer and with bilinear resizing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.runner import set_random_seed
from rich.table import Table
from torch import nn

from mmdownsize.command_line import building
from mmdownsize.configs import channels_of, in_one_process, without_downloads
from mmdownsize.loading import model_config
from mmdownsize.made_up import Kinds, kinds_of, made_up_batch
from mmdownsize.pipelines.delivered import Delivered, delivered
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import FixedResizer
from mmdownsize.resizers.cost import multiply_adds

DEFAULT_HW = {'mmdet': (800, 1344), 'mmseg': (512, 1024)}  # px
SEED = 0


@dataclass(frozen=True)
class Options:
    """What to count.

    Attributes:
        config: Config file of mmdet or mmsegmentation.
        shape: Size (w, h) in px of the image that the pipeline delivers. None: see :func:`size_of`.
        cfg_options: Settings of the config to override, by dotted key.
    """

    config: Path
    shape: Sequence[int] | None = None
    cfg_options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Part:
    """A part of a pipeline.

    Attributes:
        name: Name of the module.
        multiply_adds: Multiply-adds for one image.
        parameters: Number of parameters.
    """

    name: str
    multiply_adds: int
    parameters: int


@dataclass(frozen=True)
class Count:
    """What a config computes on one image.

    Attributes:
        parts: The parts of the model after the preprocessor.
        downsizers: By name: the config's downsizer, and bilinear.
        src_hw: Size (h, w) of the image in px.
        dst_hw: Size (h, w) in px after the downsizer.
        source: Where the size of the image comes from.
        skipped: Names of functions that are not counted.
    """

    parts: list[Part]
    downsizers: dict[str, Part]
    src_hw: tuple[int, int]
    dst_hw: tuple[int, int]
    source: str
    skipped: list[str]


def count_config(options: Options) -> Count:
    """Count what a config file computes.

    Raises:
        Refusal: If the size or the config cannot work.
    """
    if options.shape and min(options.shape) < 1:
        raise Refusal(f'--shape must be W H, at least 1 each, got {list(options.shape)}')
    return count(model_config(options.config, options.cfg_options), options.shape and tuple(reversed(options.shape)))


def count(cfg: Config, src_hw: Sequence[int] | None) -> Count:
    """Count what a config computes. Weights are random, with the same seed every time.

    Args:
        cfg: The config, as :func:`mmdownsize.loading.model_config` returns it.
        src_hw: Size (h, w) of the image in px; None: see :func:`size_of`.

    Raises:
        Refusal: If the config is neither mmdet's nor mmseg's, or cannot be built.
    """
    scope = cfg.get('default_scope')
    if scope not in DEFAULT_HW:
        raise Refusal(f"default_scope must be 'mmdet' or 'mmseg', got {scope!r}")
    size = size_of(cfg) if src_hw is None else Delivered(_pair(src_hw), _in_words(src_hw))
    in_one_process(cfg.model)
    without_downloads(cfg.model)
    set_random_seed(SEED)  # how many proposals a second stage gets depends on the weights
    with building():
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    _initialise(model)  # otherwise Sparse R-CNN makes boxes of a size below 0
    model.eval()  # in a statement of its own: mmdet's distillers return None
    preprocessor = find_preprocessor(model)
    channels = getattr(getattr(preprocessor, 'downsizer', None), 'in_channels', channels_of(cfg.model))
    with torch.no_grad():
        parts, skipped = parts_of(model, scope, size.hw, channels, kinds_of(cfg))
    if preprocessor is None:
        return Count(parts, {'no downsizer': Part('downsizer', 0, 0)}, size.hw, size.hw, size.source, skipped)
    dst_hw = preprocessor.target.of(size.hw)
    resizers = {type(preprocessor.downsizer).__name__: preprocessor.downsizer, 'bilinear': FixedResizer()}
    downsizers = {
        name: Part(
            'downsizer',
            multiply_adds(resizer, channels, size.hw, dst_hw),
            sum(parameter.numel() for parameter in resizer.parameters()),
        )
        for name, resizer in resizers.items()
    }
    return Count(parts, downsizers, size.hw, dst_hw, size.source, skipped)


def _initialise(model: nn.Module) -> None:
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')  # or mmengine says of every weight what was done to it
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def size_of(cfg: Config) -> Delivered:
    """Return the size of the image to count for: of the config's pipeline, else the preprocessor's ``size``, else a usual one.

    Args:
        cfg: A config of mmdet or mmsegmentation, whose scope is the default one of this process.
    """
    found = delivered(cfg)
    if found is not None:
        return found
    size = cfg.model.data_preprocessor.get('size')
    if isinstance(size, Sequence):
        return Delivered(_pair(size), "the preprocessor's size: the pipeline leaves it to the images")
    return Delivered(
        DEFAULT_HW[cfg.default_scope], 'a usual one: the pipeline leaves it to the images, and none is here'
    )


def _pair(size: Sequence[int]) -> tuple[int, int]:
    h, w = size
    return h, w


def _in_words(src_hw: Sequence[int]) -> str:
    h, w = src_hw
    return f'--shape {w} {h} is W H: {w} px wide and {h} px high'


def parts_of(
    model: nn.Module, scope: str, src_hw: tuple[int, int], channels: int, kinds: Kinds
) -> tuple[list[Part], list[str]]:
    """Return what a model computes after its data preprocessor, child by child, and which functions are not counted.

    Args:
        model: A detector or segmentor, in evaluation mode.
        scope: ``'mmdet'`` or ``'mmseg'``.
        src_hw: Size (h, w) in px of the image that its preprocessor is given.
        channels: Of that image.
        kinds: What samples have: Fast R-CNN needs proposals, and some heads of mmdet compute losses in any mode but prediction.
    """
    batch = made_up_batch(scope, src_hw, images=1, channels=channels, kinds=kinds)
    data = model.data_preprocessor(batch)
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
    # mmengine also skips functions of a few operations a value. These are compiled ones, such as deformable convolutions.
    compiled = sorted({name.rpartition('.')[2] for name in skipped if name.startswith('prim::PythonOp')})
    return found + ([Part('between them', own, 0)] if own else []), compiled


def table_of(found: Count, name: str) -> Table:
    """Return the count as a table, with two columns for each downsizer.

    Args:
        found: The count.
        name: Name of the config, for the title.
    """
    sizes = ' to '.join(f'{h}x{w}' for h, w in dict.fromkeys((found.src_hw, found.dst_hw)))
    table = Table('', title=f'{name}, one image of {sizes} px (h x w)')
    for downsizer in found.downsizers:
        table.add_column(f'{downsizer}\nmillion multiply-adds', justify='right')
        table.add_column('\nparameters', justify='right')

    def row(label: str, of_each: Sequence[Part], style: str = '') -> None:
        cells = [(f'{part.multiply_adds / 1e6:,.1f}', f'{part.parameters:,}') for part in of_each]
        table.add_row(label, *(cell for pair in cells for cell in pair), style=style)

    row('downsizer', list(found.downsizers.values()))
    for part in found.parts:
        row(part.name, [part] * len(found.downsizers))
    totals = [
        Part(
            'total',
            first.multiply_adds + sum(part.multiply_adds for part in found.parts),
            first.parameters + sum(part.parameters for part in found.parts),
        )
        for first in found.downsizers.values()
    ]
    table.add_section()
    row('total', totals, style='bold')
    return table
