"""Checkpoints of numbers, text and tensors alone, which any ``torch.load`` reads."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import Runner
from torch import Tensor

from mmdownsize.notices import warn
from mmdownsize.registry import HOOKS

SCALARS = (bool, int, float, complex, str, bytes)
TORCH = (Tensor, torch.Size, torch.dtype, torch.device)
HISTORY = {'log_history', 'count_history', 'max_length'}  # how a HistoryBuffer is kept


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Write checkpoints that ``torch.load(..., weights_only=True)`` reads, with nothing to be allowed first.

    mmengine puts objects of its own and of NumPy into them, and torch from 2.6 on does not load those by default. OpenMMLab's
    inferencers then fail, for they open a checkpoint before they build the model. With this hook logged values are tensors,
    arrays are lists, and what decides nothing in a checkpoint is kept as text. Weights are as they were.

    A training with this hook resumes as one without it. Another resumes too, except for the smoothing of its log.
    """

    priority = 'LOWEST'  # after the hooks that add to a checkpoint

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Replace all that is not plain."""
        for key in ('meta', 'message_hub'):
            if key in checkpoint:
                checkpoint[key] = plain(checkpoint[key], key)
        # A schedule's functions are set when it is built, and mmengine saves them with its numbers.
        if 'param_schedulers' in checkpoint:
            checkpoint['param_schedulers'] = _without_functions(checkpoint['param_schedulers'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Make mmengine's buffers of logged values anew."""
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, kept in scalars.items():
            if isinstance(kept, Mapping) and kept.keys() == HISTORY:
                history, counts = (kept[key].cpu().numpy() for key in ('log_history', 'count_history'))
                scalars[name] = HistoryBuffer(history, counts, kept['max_length'])


def plain(value: Any, name: str) -> Any:
    """Return a value as numbers, text, tensors and containers of them.

    Args:
        value: Of a checkpoint. It is not changed.
        name: What it is called in a warning: what has no plain form becomes its text.
    """
    if value is None or isinstance(value, TORCH):
        return value
    if isinstance(value, np.generic):  # before the scalars: some of NumPy's are Python's too
        found = value.item()
        return str(found) if isinstance(found, np.generic) else plain(found, name)  # Python has no long double
    for kind in SCALARS:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, HistoryBuffer):
        history, counts = (torch.from_numpy(np.array(array)) for array in value.data)
        return dict(log_history=history, count_history=counts, max_length=value.max_length)
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), name)
    if isinstance(value, Mapping):
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        return kind((plain(key, name), plain(inner, f'{name}.{key}')) for key, inner in value.items())
    if isinstance(value, tuple):
        return tuple(plain(inner, name) for inner in value)
    if isinstance(value, set | frozenset):
        return {plain(inner, name) for inner in value}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Collection):
        return [plain(inner, name) for inner in value]
    warn(
        f'{name} is a {type(value).__name__}: checkpoints keep {str(value)[:60]!r} of it, so that they load everywhere'
    )
    return str(value)


def _without_functions(schedulers: Any) -> Any:
    """Return the states of learning rate schedules: a list, or lists by the name of an optimizer."""
    if isinstance(schedulers, Mapping):
        return {name: _without_functions(inner) for name, inner in schedulers.items()}
    return [
        plain({key: kept for key, kept in state.items() if not callable(kept)}, 'param_schedulers')
        for state in schedulers
    ]
