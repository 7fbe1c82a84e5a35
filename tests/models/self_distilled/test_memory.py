"""What is remembered is what would be computed, image by image, within its bound."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.models.self_distilled.memory import PredictionMemory


class Counting:
    """Means of an image's rows, and how many images it was asked for."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        assert len(image) == 1
        self.images += 1
        return image.float().mean(3)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(0, 200))
def test_results_do_not_depend_on_what_was_seen_before(batches, max_bytes):
    known = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    memory = PredictionMemory(max_bytes)
    for which in batches:
        found = memory.recall(known[which], Counting())
        assert torch.equal(found, known[which].mean(3).half())
    assert memory.bytes == 24 * len(memory) <= max_bytes  # 12 numbers of two bytes each


def test_an_image_is_computed_once_until_the_memory_is_cleared():
    memory, compute = PredictionMemory(10**6), Counting()
    images = torch.randn(3, 3, 4, 5)
    memory.recall(images[[0, 1, 0]], compute)
    memory.recall(images, compute)
    assert compute.images == 3 == len(memory)
    memory.clear()
    memory.recall(images, compute)
    assert compute.images == 6 and memory.bytes == 72


@pytest.mark.parametrize(
    'other',
    [
        lambda x: x + torch.tensor([1e-6]),
        lambda x: x.flip(3),
        lambda x: x.reshape(1, 4, 3, 5),  # the same bytes
        lambda x: x.view(torch.int32),  # here too
    ],
)
def test_another_image_is_another(other):
    memory, compute = PredictionMemory(10**6), Counting()
    image = torch.ones(1, 3, 4, 5)
    image[0, 0, 0, 0] = 2
    memory.recall(image, compute)
    memory.recall(other(image), compute)
    memory.recall(image, compute)
    assert compute.images == 2


def test_a_full_memory_keeps_what_it_has():
    memory, compute = PredictionMemory(2 * 24), Counting()
    images = torch.randn(4, 3, 4, 5)
    for _ in range(3):
        memory.recall(images, compute)
    assert len(memory) == 2 and compute.images == 4 + 2 + 2


def test_no_gradient_flows_into_what_is_remembered():
    images = torch.randn(1, 3, 4, 5, requires_grad=True)
    assert not PredictionMemory(10**6).recall(images, Counting()).requires_grad
