"""What the tests of trainings share."""

from pathlib import Path

import pytest

from tests.tools.small_training import write_data


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp('data'))
