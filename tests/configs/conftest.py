"""Configs on real data, skipped where these are not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger

from tests.configs.catalogue import DATA, FOLDERS, load


@pytest.fixture(autouse=True)
def _quiet_initialisation() -> Iterator[None]:
    """mmengine logs every parameter that it initialises, which would bury the report of a failure."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    yield
    logger.setLevel(level)


@pytest.fixture
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Config:
    path: Path = request.param
    (folder,) = [DATA / value for name, value in FOLDERS.items() if name in path.stem]
    if not folder.is_dir():
        pytest.skip(f'real data not found at {folder}; name their folder in MMDOWNSIZE_DATA')
    monkeypatch.setenv('MMDOWNSIZE_DATA', str(DATA))
    return load(path)
