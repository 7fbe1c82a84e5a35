"""A checkpoint stays until the next one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.hooks import CheckpointHook

from mmdownsize.registry import HOOKS


class _RemovingLater:
    """A file backend that notes what it is asked to remove, and removes nothing."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.waiting: list[tuple[Callable[[str], None], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.waiting.append((self.backend.remove, path))

    def rmtree(self, path: str) -> None:
        self.waiting.append((self.backend.rmtree, path))


@HOOKS.register_module()
class KeepingCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` that removes an outdated checkpoint after the next one is written, not before.

    With ``max_keep_ckpts=1`` a full disk would otherwise cost both the last checkpoint and the new one. The disk needs room for
    one more checkpoint. Takes the arguments of ``CheckpointHook``.
    """

    @contextmanager
    def _removing_afterwards(self) -> Iterator[None]:
        backend, self.file_backend = self.file_backend, _RemovingLater(self.file_backend)
        try:
            yield
            waiting = self.file_backend.waiting
        finally:
            self.file_backend = backend
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        current = {self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best}
        for remove, path in waiting:
            if path not in current:  # as when a resumed training comes to the same name again
                remove(path)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        with self._removing_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, float]) -> None:
        with self._removing_afterwards():
            super()._save_best_checkpoint(runner, metrics)
