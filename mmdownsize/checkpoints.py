"""Checkpoints as mmengine writes them: read without running code, written whole, with errors that say what is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader
from mmengine.utils import digit_version

from mmdownsize.notices import warn
from mmdownsize.refusal import Refusal
from mmdownsize.storage import write_whole

if digit_version(np.__version__) >= digit_version('2.0.0'):
    from numpy._core import multiarray
else:
    from numpy.core import multiarray

NUMBERS_AND_TEXT = (
    '?bhilqBHILQefdFDUS'  # numpy's type codes of bool, integers, real and complex numbers, text and bytes
)
# What mmengine's checkpoints ask `getattr` for: functions that compute with numbers.
ATTRIBUTES = {
    HistoryBuffer: ('min', 'max', 'current', 'mean'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}
PARTS_OF_CONFIGS = (ConfigDict, type(Path()))


# Names of weights in a model's checkpoint begin with these.
PREPROCESSOR = 'data_preprocessor.'
DOWNSIZER = f'{PREPROCESSOR}downsizer.'
# A preprocessor may be inside another, and a model inside another.
ANY_DOWNSIZER = re.compile(r'(?:[^.]+\.)*?data_preprocessor\.(?:[^.]+\.)*?downsizer\.')


class CheckpointError(Refusal):
    """A checkpoint that cannot be read, or is another model's."""


class BrokenCheckpoint(CheckpointError):
    """A checkpoint that is empty or cut off: nothing of it can be read."""


def guard_checkpoints() -> None:
    """Have mmengine, in this process, read local checkpoints by :func:`read_checkpoint` and write local files whole.

    A full disk then leaves the earlier checkpoint or result as it was: see :func:`mmdownsize.storage.write_whole`. A second
    call changes nothing.
    """
    CheckpointLoader.register_scheme(prefixes='', loader=read_checkpoint, force=True)
    register_backend('local', WholeFileBackend, prefixes='', force=True)


class WholeFileBackend(LocalBackend):
    """mmengine's access to local files. It leaves no file half written."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes."""
        write_whole(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text."""
        write_whole(filepath, obj.encode(encoding))


def read_checkpoint(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint, running no code of it.

    Args:
        path: A checkpoint of mmengine, or a file with a state dict.
        map_location: Device to load to, as ``torch.load`` takes it.

    Returns:
        What it holds. The weights are under ``'state_dict'`` or at the top. A config in ``meta['config']`` is left out:
        mmengine, which keeps its own under ``'cfg'``, would run it.

    Raises:
        CheckpointError: If there is no such file, or it is not a checkpoint, or could run code.
        BrokenCheckpoint: If it is empty or cut off.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise CheckpointError(f'{path} is a folder: name the checkpoint in it')
    if not path.is_file():
        raise CheckpointError(f'no such checkpoint: {path}')
    if not os.path.getsize(path):
        raise BrokenCheckpoint(f'{path} is empty: take an earlier checkpoint')
    allow_mmengine_checkpoints()
    try:
        found = torch.load(path, map_location=map_location, weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f'{path} is no checkpoint, or holds objects that could run code ({_first_line(error)}): it is not loaded'
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # the error depends on where the file is broken
        raise BrokenCheckpoint(
            f'{path} is cut off, or no checkpoint ({_first_line(error)}): take an earlier one'
        ) from error
    if not isinstance(found, Mapping) or not isinstance(found.get('state_dict', found), Mapping):
        kind = type(found.get('state_dict') if isinstance(found, Mapping) else found).__name__
        raise CheckpointError(f'{path} holds a {kind} where weights by name are expected: it is no checkpoint')
    if isinstance(found.get('meta'), dict):
        found['meta'].pop('config', None)
    return found


def latest_checkpoint(folder: str | Path) -> str | None:
    """Return the checkpoint from which a training in a folder resumes; None if it begins anew.

    That is the one that mmengine's file ``last_checkpoint`` names. If it is gone, as after the folder was moved, or is broken,
    it is the last ``epoch_*.pth`` or ``iter_*.pth`` of the folder that is whole.

    Raises:
        CheckpointError: If there was one, and no file is whole; or if one could run code.
    """
    note = Path(folder, 'last_checkpoint')
    named = note.read_text(errors='replace').strip() if note.is_file() else ''
    if '://' in named:
        return named
    numbered = [path for path in Path(folder).glob('*_*.pth') if re.fullmatch('(epoch|iter)_[0-9]+', path.stem)]
    numbered.sort(key=lambda path: int(path.stem.partition('_')[2]), reverse=True)
    broken = []
    for path in dict.fromkeys([Path(named), Path(folder, Path(named).name), *numbered]):
        if not path.is_file():
            continue
        try:
            read_checkpoint(path)
        except BrokenCheckpoint:
            broken.append(f'{path} is empty or cut off')
            continue
        if broken or (named and path.name != Path(named).name):
            lost = ', '.join(broken) or f'{named}, which {note} names, is gone'
            warn(f'{lost}: the training resumes from {path}')
        return str(path)
    if broken or named:
        lost = ', '.join(broken) or f'no such checkpoint: {named}, which {note} names'
        raise CheckpointError(f'{lost}: give another to --resume, or leave out --resume to train from the start')
    return None


def weights_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a checkpoint's state dict: its entry ``'state_dict'``, or the whole checkpoint if it has no such entry."""
    return checkpoint.get('state_dict', checkpoint)


def below(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the weights whose names begin with ``prefix``, without it."""
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def places_of_downsizers(weights: Mapping[str, Any]) -> list[str]:
    """Return what the names of downsizers' weights begin with, such as ``'data_preprocessor.data_preprocessor.downsizer.'``.

    Of downsizers with the same weights only the first counts: mmdet copies a detector's weights to a student and a teacher.
    """
    found: dict[str, dict[str, Any]] = {}
    for match in filter(None, map(ANY_DOWNSIZER.match, weights)):
        if match[0] not in found:
            found[match[0]] = below(weights, match[0])
    places = list(found)
    return [p for i, p in enumerate(places) if not any(_are_equal(found[p], found[other]) for other in places[:i])]


def weights_of_downsizer(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a checkpoint's downsizer by its own names, wherever it is; none if there is no downsizer.

    Raises:
        CheckpointError: If there are several downsizers, and none where a plain model has it.
    """
    own, found = below(weights, DOWNSIZER), places_of_downsizers(weights)
    if own or not found:
        return own
    if len(found) > 1:
        raise CheckpointError(
            f'the checkpoint has {len(found)} downsizers, {", ".join(f"{place}*" for place in found)}: rename the weights of the '
            f'one that you mean to {DOWNSIZER}*'
        )
    return below(weights, found[0])


def _are_equal(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return some.keys() == others.keys() and all(
        torch.equal(value, others[key]) if isinstance(value, torch.Tensor) else value == others[key]
        for key, value in some.items()
    )


def without(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the other weights: those whose names do not begin with ``prefix``."""
    return {key: value for key, value in weights.items() if not key.startswith(prefix)}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load`` read mmengine's checkpoints without ``weights_only=False``.

    They hold the logged values (``HistoryBuffer``), numbers of numpy (best scores), arrays of numpy (palettes), and parts of
    configs (``ConfigDict``, paths). These, and nothing that could run code, are added to torch's list of safe globals, for this
    process. A ``HistoryBuffer`` and a one-cycle schedule are pickled with functions of their own, which they get by
    ``getattr``: a function that returns those functions only takes the place of ``getattr``.

    Importing ``mmdownsize.preprocessors`` calls this.

    torch before 2.6 loads everything: there this does nothing. A second call changes nothing.
    """
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        return
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        *ATTRIBUTES,
        (_attribute, 'builtins.getattr'),
        *PARTS_OF_CONFIGS,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in NUMBERS_AND_TEXT},
    ]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # as numpy 1 and numpy 2 write it
        allowed += [(multiarray._reconstruct, f'{module}._reconstruct'), (multiarray.scalar, f'{module}.scalar')]
    torch.serialization.add_safe_globals(allowed)


def _attribute(owner: Any, name: Any) -> Callable[..., Any]:
    if not isinstance(owner, type) or name not in ATTRIBUTES.get(owner, ()):
        raise UnpicklingError(
            f'the checkpoint asks for {name!r} of {owner!r}, which mmengine does not save: it is not loaded. '
            'Load it with torch.load(..., weights_only=False) only if you trust whoever made it'
        )
    return getattr(owner, name)
