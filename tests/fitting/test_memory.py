"""What is remembered is what would be computed, image by image, within its bound."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.fitting.memory import PredictionMemory


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


def files(folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())


def test_the_next_training_finds_what_was_kept_in_a_folder(tmp_path):
    images = torch.randn(3, 3, 4, 5)
    first, second, plain = Counting(), Counting(), PredictionMemory(10**6)
    PredictionMemory(24, tmp_path / 'kept').recall(images[:2], first)  # one of them fits into the memory
    assert first.images == 1 + 2  # once more that by which the function is known
    memory = PredictionMemory(0, tmp_path / 'kept')
    for _ in range(2):
        assert torch.equal(memory.recall(images, second), plain.recall(images, Counting()))
    assert second.images == 1 + 1 and len(memory) == 0  # that one, and the third image
    assert len(files(tmp_path)) == 1 + 3


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_a_folder_tells_images_apart_by_their_dtype(tmp_path, dtype):
    image, compute = torch.ones(1, 3, 4, 5), Counting()
    for _ in range(2):
        memory = PredictionMemory(0, tmp_path)
        assert torch.equal(memory.recall(image.to(dtype), compute), memory.recall(image, compute))
    assert len(files(tmp_path)) == 1 + 2 and compute.images == 3 + 1


def test_functions_that_share_a_folder_do_not_take_each_others_results(tmp_path):
    images = torch.randn(3, 3, 4, 5)
    functions = [lambda x: x.mean(3), lambda x: x.mean(3) * (1 + 2**-9), lambda x: x.mean(2)]
    for which in ([0], [1, 0], [2, 0, 1]):
        for function in functions:
            found = PredictionMemory(0, tmp_path).recall(images[which], function)
            assert torch.equal(found, function(images[which]).half())
    assert len(list(tmp_path.iterdir())) == 3 and len(files(tmp_path)) == 3 * (1 + 3)
    memory = PredictionMemory(0, tmp_path)
    memory.recall(images, functions[0])
    memory.clear()  # another function from here on
    assert torch.equal(memory.recall(images, functions[2]), images.mean(2).half())

    def of_five_channels(x):
        assert x.shape[1] == 5
        return x.mean(3)

    other = torch.randn(2, 5, 4, 5)
    assert torch.equal(PredictionMemory(0, tmp_path).recall(other, of_five_channels), other.mean(3).half())


@pytest.mark.parametrize('content', [b'', b'PK', b'something else'])
@pytest.mark.parametrize('which', [0, 1])
def test_a_damaged_file_is_named(tmp_path, content, which):
    image = torch.randn(1, 3, 4, 5)
    PredictionMemory(0, tmp_path).recall(image, Counting())
    damaged = files(tmp_path)[which]
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=f'{damaged.name} is not a kept prediction: remove it'):
        PredictionMemory(0, tmp_path).recall(image, Counting())
    damaged.unlink()
    assert torch.equal(PredictionMemory(0, tmp_path).recall(image, Counting()), image.mean(3).half())
