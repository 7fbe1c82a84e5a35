"""Lengths of an axis, also unknown ones of a graph that is recorded for any size.

While a graph is recorded a length may be no integer: with ``torch.jit.trace`` and ONNX export it is a 0-dimensional tensor,
with ``torch.export`` and ``torch.compile`` a symbol. The functions here take all three.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

# For a type checker they are numbers, as in PyTorch's own signatures.
Length = int
Ratio = float
_Number = TypeVar('_Number', int, float)


def are_known(*lengths: Length) -> bool:
    """Return whether all lengths are known integers."""
    return all(isinstance(length, int) for length in lengths)


def larger(a: _Number, b: _Number) -> _Number:
    """Return the larger of two lengths or ratios."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return torch.sym_max(a, b)  # type: ignore[no-any-return,no-untyped-call]


def smaller(a: _Number, b: _Number) -> _Number:
    """Return the smaller of two lengths or ratios."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.minimum(torch.as_tensor(a), torch.as_tensor(b))
    return torch.sym_min(a, b)  # type: ignore[no-any-return,no-untyped-call]


def ceil_div(a: Length, b: Length) -> Length:
    """Return the smallest integer that is not below ``a / b``; both at least 1."""
    return (a + b - 1) // b  # not -(-a // b): ONNX export truncates where PyTorch floors


def ratio_of(a: Length, b: Length) -> Ratio:
    """Return ``a / b`` as the nearest float64 to it."""
    if isinstance(a, Tensor):
        return a.double() / b
    return a / (b.double() if isinstance(b, Tensor) else b)
