import pytest
import torch
from mmengine.logging import MMLogger


@pytest.fixture(autouse=True)
def _quiet_initialisation():
    """mmengine logs every parameter that it initialises, which would bury the report of a failure."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _one_thread():
    """The models are tiny: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
