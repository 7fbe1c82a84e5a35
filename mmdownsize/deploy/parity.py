"""Compares an exported graph with the PyTorch module that it was recorded from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.table import Table
from torch import Tensor, nn

from mmdownsize.deploy.onnx_file import INPUT, made_up, require

# Accepted difference: absolute, and relative to the largest value. A few times float32's own rounding.
# float32 has 6e-8. A score of an ImportanceResizer sums many products, and a pixel then counts exp(score): 1e-5 of the largest
# value, at most 0.003 of 255. What was recorded as a constant of the size differs by whole grey levels.
TOLERANCE, RELATIVE = 1e-4, 1e-5
HEADINGS = ('images', 'output', 'shape', 'largest value', 'difference', 'limit', '')


@dataclass(frozen=True)
class Parity:
    """The difference between onnxruntime's result and PyTorch's, for one batch and one output.

    Attributes:
        shape: Shape of the images, (N, C, H, W).
        output: Name of the output.
        output_shape: Shape of the output.
        difference: The largest absolute difference. For labels: the share of pixels whose label differs, among those whose
            two highest logits in PyTorch are further apart than twice the limit.
        limit: The largest difference that is accepted.
        largest: The largest absolute value of PyTorch's result.
        failure: Why there is nothing to compare; empty if there is.
    """

    shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...] = ()
    difference: float = float('inf')
    limit: float = 0.0
    largest: float = float('nan')
    failure: str = ''

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        return not self.failure and self.difference <= self.limit


def parity(
    content: bytes, module: nn.Module, shapes: Sequence[tuple[int, int, int, int]], *, dtype: str = 'float32'
) -> list[Parity]:
    """Compare an exported graph with its module.

    Args:
        content: Content of the ONNX file.
        module: ``Downsizer`` or ``DownsizedSegmentor``.
        shapes: Shapes (N, C, H, W) of the batches to compare on.
        dtype: Type of the images, as in the export.

    Returns:
        One result a batch and output.

    Raises:
        MissingPackage: If onnxruntime is not installed.
    """
    ort = require('onnxruntime')
    options = ort.SessionOptions()
    options.log_severity_level = 4  # errors are in the results
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    results = []
    for shape in shapes:
        images = made_up(shape[0], shape[1], shape[2:], dtype)
        with torch.no_grad():
            outputs = module.eval().reference(images)
        wanted = dict(zip(module.outputs, outputs if isinstance(outputs, tuple) else (outputs,)))
        try:
            found = dict(zip(module.outputs, map(torch.from_numpy, session.run(None, {INPUT: images.numpy()}))))
        except Exception as error:  # onnxruntime has error classes of its own
            failure = f'onnxruntime fails: {str(error).splitlines()[0]}'
            results += [Parity(shape, name, failure=failure) for name in wanted]
            continue
        results += [_compare(shape, name, found, wanted) for name in wanted]
    return results


def checked_shapes(example_hw: Sequence[int], channels: int) -> list[tuple[int, int, int, int]]:
    """Return the shapes (N, C, H, W) of three batches that share no side and no batch size with the recording.

    Args:
        example_hw: Size (h, w) in px of the images that the graph was recorded with.
        channels: Number of channels of the images.
    """
    h, w = example_hw
    return [
        (1, channels, h * 3 // 4 + 1, w * 5 // 4 + 3),
        (3, channels, h + 37, w - w // 5),
        (4, channels, h // 2 + 5, w // 2 + 11),
    ]


def table_of(results: Sequence[Parity]) -> Table:
    """Return the comparison as a table, what differs in red."""
    table = Table(*HEADINGS)
    for row in _rows(results):
        table.add_row(*row, style='' if row[-1] == 'equal' else 'bold red')
    return table


def markdown_of(results: Sequence[Parity]) -> str:
    """Return the comparison as a table in Markdown."""
    return '\n'.join(f'| {" | ".join(row)} |' for row in [HEADINGS, ['---'] * len(HEADINGS), *_rows(results)])


def limit_of(wanted: Tensor) -> float:
    """Return the largest difference from ``wanted`` that is accepted."""
    return TOLERANCE + RELATIVE * wanted.abs().max().item()


def _compare(shape: tuple[int, ...], name: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> Parity:
    ours, theirs = found[name], wanted[name]
    if ours.shape != theirs.shape:
        return Parity(shape, name, failure=f'it has shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}')
    limit, difference = limit_of(theirs), (ours - theirs).abs()
    if name == 'labels':
        best = wanted['logits'].topk(2, 1).values if wanted['logits'].shape[1] > 1 else None
        clear = best[:, 0] - best[:, 1] > 2 * limit_of(wanted['logits']) if best is not None else theirs >= 0
        limit, difference = 0.0, ((ours != theirs) & clear).float().mean()
    return Parity(shape, name, tuple(ours.shape), difference.max().item(), limit, theirs.abs().max().item())


def _rows(results: Sequence[Parity]) -> list[list[str]]:
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
