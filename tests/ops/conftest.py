"""Settings of the tests of small tensors."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope='package')
def _single_thread() -> Iterator[None]:
    """Waking threads for a few hundred numbers takes far longer than the numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
