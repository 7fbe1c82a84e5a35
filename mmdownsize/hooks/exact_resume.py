"""Random numbers that depend on the epoch or iteration alone, so that a resumed training draws the same."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dataset import worker_init_fn as mmengine_worker_init_fn
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmdownsize.registry import HOOKS


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Make a resumed training continue as the uninterrupted one would have, bit for bit if the device is deterministic.

    mmengine restores weights, optimizer, schedules and the order of samples, but not the random generators, and the workers of
    a loader start anew. This hook saves nothing. It seeds the generators of Python, NumPy and PyTorch from
    (``randomness.seed``, epoch) when an epoch begins, in this process and in the loader's workers. In an iteration-based loop it
    seeds them from (seed, iteration) when a batch is fetched. An interruption or a validation before then has no effect.

    No two epochs repeat their augmentations, as they do with mmengine's loaders without ``persistent_workers``. Persistent
    workers are restarted every epoch.

    An epoch that was interrupted is begun again, as mmengine does. Not covered: transforms that remember earlier samples (a
    cached mosaic), and a ``worker_init_fn`` of the config's own, which is not replaced.
    """

    def before_train(self, runner: Runner) -> None:
        """Seed every fetch of an iteration-based loop, also those that a resumed loop skips over."""
        loop = runner.train_loop
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = _SeededBatches(loop.dataloader_iterator, runner.seed)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed an epoch, and have the loader start workers that draw their seeds from it."""
        loop = runner.train_loop
        if isinstance(loop, IterBasedTrainLoop):
            return
        _seed(runner.seed, runner.epoch)
        loader = loop.dataloader
        init = loader.worker_init_fn
        if init is None or getattr(init, 'func', init) in (mmengine_worker_init_fn, _seed_worker):
            loader.worker_init_fn = partial(_seed_worker, rank=get_rank())
            loader._iterator = None  # persistent workers would go on with the generators of the last epoch

    def after_train(self, runner: Runner) -> None:
        """Stop the workers now. When they are collected together with the runner, the process waits for them."""
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.train_loop.dataloader._iterator = None


class _SeededBatches:
    """The batches of a loop, each fetched with generators seeded from its index."""

    def __init__(self, batches: Iterator[Any], seed: int) -> None:
        self._batches = batches
        self._seed = seed
        self._indices = itertools.count()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        _seed(self._seed, next(self._indices))
        return next(self._batches)

    def skip_iter(self, num_iters: int) -> None:
        """Fetch and drop batches, as mmengine does when it resumes.

        The maintained fork of mmengine calls this of its iterator. Its own does not fetch them, so the loader's workers would
        not draw the numbers of those batches.
        """
        for _ in range(num_iters):
            next(self)


def _seed_worker(worker_id: int, *, rank: int) -> None:
    # PyTorch has just seeded this worker from its loader's generator; all ranks share that seed.
    _seed(torch.initial_seed(), rank)


def _seed(*where: int) -> None:
    seed = int(np.random.SeedSequence(where).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
