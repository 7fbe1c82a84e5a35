"""Random numbers of a training, drawn in the main process and in the workers of its loader."""

import random
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import worker_init_fn
from mmengine.runner import IterBasedTrainLoop
from torch.utils.data import DataLoader, Dataset

from mmdownsize.hooks.exact_resume import ExactResumeHook


class Noise(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))


def runner(workers: int, seed: int = 0) -> SimpleNamespace:
    """Return what the hook sees of a runner, its loader made as mmengine makes it."""
    init = partial(worker_init_fn, num_workers=workers, rank=0, seed=seed)
    loader = DataLoader(
        Noise(),
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=init,
        collate_fn=lambda batch: batch,
    )
    return SimpleNamespace(train_loop=SimpleNamespace(dataloader=loader), seed=seed, epoch=0)


def epoch(of: SimpleNamespace, number: int) -> list[tuple[float, ...]]:
    of.epoch = number
    ExactResumeHook().before_train_epoch(of)
    drawn = [sample for batch in of.train_loop.dataloader for sample in batch]
    return [*drawn, (random.random(), float(np.random.rand()), float(torch.rand(())))]


@pytest.mark.parametrize('workers', [0, 2])
def test_an_epoch_draws_the_same_numbers_whatever_came_before(workers: int) -> None:
    whole, resumed = runner(workers), runner(workers)
    first, second = epoch(whole, 0), epoch(whole, 1)
    torch.rand(7), np.random.rand(7), random.random()  # a validation, say
    assert epoch(whole, 2) == epoch(resumed, 2)
    numbers = [number for sample in first + second for number in sample]
    assert len(set(numbers)) == len(numbers)  # no two epochs, workers or libraries repeat each other


def test_another_seed_draws_other_numbers() -> None:
    assert epoch(runner(0), 0) != epoch(runner(0, seed=1), 0)
    assert epoch(runner(0), 1) != epoch(runner(0, seed=1), 0)


def test_a_worker_init_fn_of_the_users_own_is_left_alone() -> None:
    mine = runner(0)
    mine.train_loop.dataloader.worker_init_fn = print
    epoch(mine, 0)
    assert mine.train_loop.dataloader.worker_init_fn is print


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_that_a_resumed_loop_skips_leave_everything_as_if_they_had_been_trained_on(workers: int) -> None:
    def fetched() -> Iterator[list[tuple[float, ...]]]:
        of = runner(workers)
        of.train_loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
        of.train_loop.dataloader_iterator = iter(runner(workers).train_loop.dataloader)
        ExactResumeHook().before_train(of)
        return of.train_loop.dataloader_iterator

    whole, resumed = fetched(), fetched()
    next(whole), next(whole)
    torch.rand(7), np.random.rand(7), random.random()
    resumed.skip_iter(2)
    for _ in range(2):
        (batch,), (again,) = next(whole), next(resumed)
        assert batch == again
    with pytest.raises(StopIteration):
        next(resumed)
