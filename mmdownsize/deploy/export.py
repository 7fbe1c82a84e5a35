"""From a config and a checkpoint to an ONNX file whose results are compared with PyTorch's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmdownsize.checkpoints import DOWNSIZER, below, read_checkpoint, weights_of, weights_of_downsizer
from mmdownsize.command_line import building
from mmdownsize.configs import channels_of, in_one_process, preprocessor_settings
from mmdownsize.deploy import MIN_OPSET
from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import INPUT, record, require
from mmdownsize.deploy.parity import Parity, checked_shapes, parity
from mmdownsize.loading import build_preprocessor, model_config
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.registry import MODELS
from mmdownsize.storage import write_whole
from mmdownsize.version import __version__


@dataclass(frozen=True)
class Options:
    """What to export, and how.

    Attributes:
        config: Config file whose model has one of mmdownsize's preprocessors.
        out: File to write, ``.onnx``.
        checkpoint: Checkpoint of the config's model; None: the weights are untrained.
        part: ``'downsizer'``, or ``'segmentor'``: downsizer, normalisation and segmentor in one graph.
        dtype: Of the images, ``'float32'`` or ``'uint8'``, 0..255.
        rgb: The graph takes RGB images; otherwise BGR, as OpenMMLab loads them.
        opset: Version of ONNX's set of operators.
        example: Size (h, w) in px of the images that the graph is recorded with.
        cfg_options: Settings of the config to override, by dotted key.
    """

    config: Path
    out: Path
    checkpoint: Path | None = None
    part: str = 'downsizer'
    dtype: str = 'float32'
    rgb: bool = False
    opset: int = MIN_OPSET
    example: tuple[int, int] = (256, 320)
    cfg_options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Exported:
    """A graph, and how close it is to PyTorch.

    Attributes:
        content: Content of the ONNX file.
        results: The comparison with PyTorch, one a batch and output.
        outputs: Names of the outputs.
        notes: What is worth knowing about the weights, a line each.
    """

    content: bytes
    results: list[Parity]
    outputs: tuple[str, ...]
    notes: list[str]


def export(options: Options) -> Exported:
    """Record a graph, and compare it with PyTorch at other image sizes. No file is written.

    Raises:
        Refusal: If an option, the config or the checkpoint cannot work, a package is missing, or the part cannot be exported.
    """
    if options.out.suffix != '.onnx':
        raise Refusal(f'{options.out}: the file is to end in .onnx')
    require('onnx')
    cfg = model_config(options.config, options.cfg_options)
    module, notes = load_part(cfg, options)
    resizer = module.resizer if options.part == 'downsizer' else module.downsizer.resizer
    channels = getattr(resizer, 'in_channels', channels_of(cfg.model))
    if options.rgb and channels != 3:
        raise Refusal(f'--rgb needs images of 3 channels, the downsizer takes {channels}')
    content = record(
        module,
        options.example,
        channels=channels,
        dtype=options.dtype,
        opset=options.opset,
        metadata=metadata(cfg, options),
    )
    results = parity(content, module, checked_shapes(options.example, channels), dtype=options.dtype)
    return Exported(content, results, module.outputs, notes)


def save(exported: Exported, options: Options) -> str:
    """Write the file if the graph gives what PyTorch gives.

    Returns:
        What the file holds, on one line.

    Raises:
        Refusal: If the graph differs from PyTorch.
        OSError: If the file cannot be written; one that is there stays as it is.
    """
    if not all(result.passed for result in exported.results):
        raise Refusal(
            'the graph does not give what PyTorch gives, and is not written: something in the model is a constant of the '
            f'size {tuple(options.example)} that it was recorded with; --part downsizer exports what is before it'
        )
    write_whole(options.out, exported.content)
    graph = require('onnx').load_from_string(exported.content).graph
    operators = Counter(node.op_type for node in graph.node)
    return (
        f'{options.out}: {len(exported.content):,} bytes, opset {options.opset}, {INPUT} -> {", ".join(exported.outputs)}; '
        f'{sum(operators.values())} operators: {", ".join(sorted(operators))}'
    )


def load_part(cfg: Config, options: Options) -> tuple[nn.Module, list[str]]:
    """Return the module to export, with its weights, and notes on them.

    Args:
        cfg: The config, as :func:`mmdownsize.loading.model_config` returns it.
        options: Of the export.

    Raises:
        TypeRefusal: If the part is of a kind that is not exported; says what to do.
        Refusal: If the config or the checkpoint does not fit.
    """
    notes = [] if options.checkpoint else ['no checkpoint: the weights are untrained']
    if options.part == 'segmentor':
        if cfg.get('default_scope') != 'mmseg':
            raise TypeRefusal(
                f'--part segmentor needs a config of mmsegmentation, got default_scope={cfg.get("default_scope")!r}; of '
                'detectors only --part downsizer is exported'
            )
        from mmdownsize.deploy.segmentor import DownsizedSegmentor

        in_one_process(cfg.model)
        with building():
            model = MODELS.build(cfg.model)
        if options.checkpoint:
            notes += fill(model, weights_of(read_checkpoint(options.checkpoint)), DOWNSIZER)
        return DownsizedSegmentor(model, swap_colors=options.rgb), notes
    preprocessor = build_preprocessor(cfg, options.config)
    if options.checkpoint:
        own = weights_of_downsizer(weights_of(read_checkpoint(options.checkpoint)))
        notes += fill(preprocessor, {f'downsizer.{key}': own[key] for key in own}, 'downsizer.')
    return Downsizer(preprocessor.downsizer, preprocessor.target, swap_colors=options.rgb), notes


def fill(module: nn.Module, weights: Mapping[str, Any], downsizer: str) -> list[str]:
    """Load weights into a module. If a checkpoint has no downsizer, the module's keeps its initial weights.

    Args:
        module: A model or its preprocessor.
        weights: By name, as in the module.
        downsizer: What the names of the downsizer's weights begin with.

    Returns:
        What is worth knowing about it, a line each.

    Raises:
        Refusal: If weights are missing or have the wrong shape.
    """
    try:
        missing, unknown = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # torch's, of shapes
        raise Refusal(f'the checkpoint does not fit the config: {error}') from error
    ours, theirs = below(dict.fromkeys(missing), downsizer), [key for key in missing if not key.startswith(downsizer)]
    if theirs or 0 < len(ours) < len(below(module.state_dict(), downsizer)):
        raise Refusal(
            f'the checkpoint does not fit the config: {", ".join(theirs or (downsizer + key for key in ours))} missing'
        )
    notes = ['the checkpoint has no downsizer: it is exported as it starts'] if ours else []
    return notes + ([f'not used: {", ".join(unknown)}'] if unknown else [])


def metadata(cfg: Config, options: Options) -> dict[str, str]:
    """Return what the file says about itself: free text by key."""
    found = preprocessor_settings(cfg.model)
    assert found is not None  # load_part has built it
    _, preprocessor = found
    target = {key: preprocessor[key] for key in ('scale_factor', 'scale', 'keep_ratio') if preprocessor.get(key)}
    return {
        'mmdownsize.version': __version__,
        'mmdownsize.part': options.part,
        'mmdownsize.downsizer': json.dumps(preprocessor.downsizer.to_dict(), default=str),
        'mmdownsize.target': json.dumps(target),
        'mmdownsize.input': f'{INPUT}: (N, C, H, W) {options.dtype}, 0..255, {"RGB" if options.rgb else "BGR"}',
        'mmdownsize.config': cfg.pretty_text,
        'mmdownsize.config_name': options.config.name,
        'mmdownsize.checkpoint': options.checkpoint.name if options.checkpoint else '',
        'torch.version': torch.__version__,
    }
