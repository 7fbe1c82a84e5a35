"""Loading mmengine's checkpoints under torch >= 2.6, whose ``torch.load`` builds only what it has been told is safe."""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version

if digit_version(np.__version__) >= digit_version('2.0.0'):
    from numpy._core import multiarray
else:
    from numpy.core import multiarray

STATISTICS = ('min', 'max', 'current', 'mean')
NUMBERS = '?bhilqBHILQefd'  # numpy's type codes of bool, integers and real numbers


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load`` read mmengine's checkpoints without ``weights_only=False``.

    They hold the logged values (``HistoryBuffer``), numbers of numpy (best scores) and arrays of numpy (palettes).
    These, and nothing that could run code, are added to torch's list of safe globals, for this process. A
    ``HistoryBuffer`` is pickled with its own methods, fetched by ``getattr``: in its place stands a function that gives
    out those methods only.

    Older torch loads without asking: nothing is done there. Calling it twice does no harm.
    """
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        return
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        HistoryBuffer,
        (_statistic, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in NUMBERS},
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # as numpy 1 and numpy 2 write it
        allowed += [(multiarray._reconstruct, f'{module}._reconstruct'), (multiarray.scalar, f'{module}.scalar')]
    torch.serialization.add_safe_globals(allowed)


def _statistic(owner: Any, name: Any) -> Callable[..., Any]:
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise UnpicklingError(
            f'the checkpoint asks for {name!r} of {owner!r}, which is not among what mmengine saves: it is not loaded. '
            'Load it with torch.load(..., weights_only=False) only if you trust whoever made it'
        )
    return getattr(HistoryBuffer, name)
