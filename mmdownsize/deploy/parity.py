"""An exported graph next to the PyTorch module that it was recorded from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmdownsize.deploy.onnx_file import INPUT, made_up, require

TOLERANCE, RELATIVE = 1e-4, 1e-6  # of the largest value: float32's own rounding, a few times over


@dataclass(frozen=True)
class Parity:
    """How far onnxruntime's result is from PyTorch's, for one batch and output.

    Attributes:
        shape: Of the images, (N, C, H, W).
        output: Name of the output.
        output_shape: Its shape.
        difference: The largest absolute difference. Of labels: the share of pixels that differ although PyTorch's decision is
            clear, its two best logits further apart than two limits.
        limit: The largest that is accepted.
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
        content: Of the ONNX file.
        module: ``Downsizer`` or ``DownsizedSegmentor``.
        shapes: Of the batches to compare on, (N, C, H, W).
        dtype: Of the images, as in the export.

    Returns:
        One result a batch and output.

    Raises:
        ImportError: If onnxruntime is not installed.
    """
    ort = require('onnxruntime')
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is in the results
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
        except Exception as error:  # onnxruntime's are of its own kinds
            failure = f'onnxruntime fails: {str(error).splitlines()[0]}'
            results += [Parity(shape, name, failure=failure) for name in wanted]
            continue
        results += [_compare(shape, name, found, wanted) for name in wanted]
    return results


def limit_of(wanted: Tensor) -> float:
    """Return how far values may be off."""
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
