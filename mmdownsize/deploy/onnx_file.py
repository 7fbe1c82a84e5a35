"""Content of ONNX files: plain operators, for any batch and image size."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.onnx import JitScalarType, symbolic_helper

from mmdownsize import arguments
from mmdownsize.deploy import INPUT_DTYPES, MAX_OPSET, MIN_OPSET
from mmdownsize.refusal import MissingPackage, Refusal

INPUT = 'images'
EXAMPLE_BATCH = 2  # the exporter takes 1 for a size that never changes


def require(package: str) -> ModuleType:
    """Import and return a package that only export needs.

    Raises:
        MissingPackage: If it is not installed; says how to get it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f'export needs {package}, which is not installed: pip install "mmdownsize[deploy]"'
        ) from error


def record(
    module: nn.Module,
    example_hw: tuple[int, int],
    *,
    channels: int = 3,
    dtype: str = 'float32',
    opset: int = MIN_OPSET,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Return a module as an ONNX file's content.

    Args:
        module: ``Downsizer`` or ``DownsizedSegmentor``.
        example_hw: Size (h, w) in px of the images that it is recorded with; the result takes any other as well.
        channels: Number of channels of the images.
        dtype: Type of the images: ``'float32'`` or ``'uint8'``; their values are 0..255.
        opset: Version of ONNX's set of operators, ``MIN_OPSET`` to ``MAX_OPSET``.
        metadata: Free text by key, written into the file.

    Returns:
        What to write into an ``.onnx`` file.

    Raises:
        MissingPackage: If onnx is not installed.
        Refusal: If ``dtype`` or ``opset`` is not one of the above, or ONNX lacks something that the module does; names it.
    """
    arguments.choice('input dtype', dtype, INPUT_DTYPES)
    if not MIN_OPSET <= opset <= MAX_OPSET:
        raise Refusal(f'opset must be {MIN_OPSET} to {MAX_OPSET}, got {opset}')
    onnx = require('onnx')
    images = made_up(EXAMPLE_BATCH, channels, example_hw, dtype)
    open_axes = {INPUT: {0: 'batch', 2: 'height', 3: 'width'}}
    sides = ('target_height', 'target_width') if module.outputs == ('downsized',) else ('height', 'width')
    for name in module.outputs:
        open_axes[name] = dict(zip((0, 1, 2) if name == 'labels' else (0, 2, 3), ('batch', *sides)))
    content = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), _plain_operators():
        # The exporter warns of what it records as a constant: `parity` finds that by comparing at other sizes. It prints the
        # whole graph where it fails: the error below names what failed.
        warnings.simplefilter('ignore')
        try:
            torch.onnx.export(
                module.eval(),
                (images,),
                content,
                input_names=[INPUT],
                output_names=list(module.outputs),
                dynamic_axes=open_axes,
                opset_version=opset,
                dynamo=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise Refusal(
                f'ONNX opset {opset} lacks something that the module does: {str(error).splitlines()[0]}. Take a higher opset, '
                f'at most {MAX_OPSET}, or export the downsizer alone'
            ) from error
    model = onnx.load_from_string(content.getvalue())
    onnx.helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def made_up(batch: int, channels: int, hw: tuple[int, int], dtype: str) -> Tensor:
    """Return images (batch, channels, h, w) of noise on gradients, 0..255, the same in every call.

    Args:
        batch: Number of images.
        channels: Number of channels.
        hw: Size (h, w) in px.
        dtype: ``'float32'`` or ``'uint8'``.
    """
    generator = torch.Generator().manual_seed(0)
    rows, cols = torch.meshgrid(*(torch.linspace(0, math.pi * 3, side) for side in hw), indexing='ij')
    smooth = 127.5 + 60 * torch.sin(rows) + 40 * torch.cos(cols)
    images = (smooth + 50 * (torch.rand(batch, channels, *hw, generator=generator) - 0.5)).clamp(0, 255)
    return images.to(torch.uint8) if dtype == 'uint8' else images


def _expm1(graph: Any, x: Any) -> Any:
    return graph.op('Sub', graph.op('Exp', x), _like(graph, 1.0, x))


def _sinc(graph: Any, x: Any) -> Any:
    at_zero = graph.op('Equal', x, _like(graph, 0.0, x))
    angle = graph.op('Where', at_zero, _like(graph, 1.0, x), graph.op('Mul', x, _like(graph, math.pi, x)))
    return graph.op('Where', at_zero, _like(graph, 1.0, x), graph.op('Div', graph.op('Sin', angle), angle))


def _unflatten(graph: Any, x: Any, dim: Any, sizes: Any) -> Any:
    # torch's own records the sizes of all that follows as constants (2.13, in multi-head attention).
    rank = symbolic_helper._get_tensor_rank(x)
    dim = symbolic_helper._get_const(dim, 'i', 'dim') % rank
    if symbolic_helper._is_packed_list(sizes):
        sizes = [symbolic_helper._unsqueeze_helper(graph, size, [0]) for size in symbolic_helper._unpack_list(sizes)]
    shape = graph.op('Shape', x)

    def part(begin: int, end: int) -> list[Any]:
        edges = (graph.op('Constant', value_t=torch.tensor([edge])) for edge in (begin, end))
        return [graph.op('Slice', shape, *edges)] if begin < end else []

    sizes = sizes if isinstance(sizes, list) else [sizes]
    return graph.op('Reshape', x, graph.op('Concat', *part(0, dim), *sizes, *part(dim + 1, rank), axis_i=0))


def _like(graph: Any, value: float, x: Any) -> Any:
    return graph.op('Constant', value_t=torch.tensor(value, dtype=JitScalarType.from_value(x).dtype()))


@contextmanager
def _plain_operators() -> Iterator[None]:
    """While exporting, compose functions that ONNX lacks of its plain operators."""
    made_of = {'aten::expm1': _expm1, 'aten::sinc': _sinc, 'aten::unflatten': _unflatten}
    for name, function in made_of.items():
        torch.onnx.register_custom_op_symbolic(name, function, MIN_OPSET)
    try:
        yield
    finally:
        for name in made_of:
            torch.onnx.unregister_custom_op_symbolic(name, MIN_OPSET)
