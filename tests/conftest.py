"""Settings that all tests share."""

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

# The same examples in every run, and no time limit: machines differ.
settings.register_profile(
    'stable', deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile('thorough', parent=settings.get_profile('stable'), derandomize=False, max_examples=1000)
settings.register_profile('nightly', parent=settings.get_profile('stable'), derandomize=False, max_examples=10_000)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'stable'))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope='module')
def single_thread() -> Iterator[None]:
    """Waking threads for a few hundred numbers takes far longer than the numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
