"""Selecting pixels of label maps of any dtype.

For maps of bytes, such as instance masks, there is a compiled library (``csrc/select.cpp``), loaded by
:mod:`mmdownsize.ops.compiled`. PyTorch does the rest, with the same result.
"""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from mmdownsize.ops import compiled
from mmdownsize.ops.recording import is_tracing

LIBRARY = 'mmdownsize.geometry._native'
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # gather knows none of PyTorch's other integers
PARALLEL = 2**20  # bytes of output from which on threads pay off


def _declare(library: ctypes.CDLL) -> None:
    library.mmdownsize_select.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 6
    library.mmdownsize_select.restype = None


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """Return the library, or None and why there is none."""
    return compiled.load(LIBRARY, _declare)


def unavailable() -> str | None:
    """Return why the library cannot be used on this machine, or None if it can."""
    library, reason = _load()
    return reason if library is None else None


def select_labels(maps: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Pick the pixels at the crossings of rows and columns: ``out[..., i, j] = maps[..., rows[i], cols[j]]``.

    Args:
        maps: (..., H, W), any dtype.
        rows: (h,) int64 in [0, H), on the device of ``maps``.
        cols: (w,) int64 in [0, W), on the device of ``maps``; never falling.

    Returns:
        (..., h, w), same dtype; a new tensor, contiguous. Differentiable in ``maps``.
    """
    if is_tracing() or maps.requires_grad or maps.element_size() not in BITS:
        return maps.index_select(-2, rows).index_select(-1, cols)
    bits = maps.view(BITS[maps.element_size()])
    library, _ = _load()
    plain = type(maps) is Tensor and maps.device.type == 'cpu' and maps.is_contiguous()
    if library is not None and plain and bits.dtype == torch.uint8:
        out = _selected_bytes(library, bits, rows, cols)
    else:
        # index_select would copy columns one after the other, across memory; gather runs along the rows.
        high = bits.index_select(-2, rows)
        out = high.gather(-1, cols.expand(*high.shape[:-1], -1))
    return out.view(maps.dtype)


def _selected_bytes(library: ctypes.CDLL, planes: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    out = planes.new_empty((*planes.shape[:-2], len(rows), len(cols)))
    rows, cols = rows.contiguous(), cols.contiguous()  # named: a pointer does not keep a copy alive
    library.mmdownsize_select(
        *(tensor.data_ptr() for tensor in (planes, out, rows, cols)),
        planes.shape[:-2].numel(),
        *planes.shape[-2:],
        *out.shape[-2:],
        torch.get_num_threads() if out.numel() >= PARALLEL else 1,
    )
    return out
