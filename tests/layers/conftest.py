"""Settings of the tests of small tensors."""

import pytest


@pytest.fixture(autouse=True, scope='module')
def _single_thread(single_thread: None) -> None:
    pass
