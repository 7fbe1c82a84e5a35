"""What torch.load builds from a checkpoint, and what it refuses."""

import io
import os
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OneCycleLR
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.utils import digit_version

from mmdownsize.checkpoints import DOWNSIZER, allow_mmengine_checkpoints, below, weights_of, without

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.6.0'), reason='torch < 2.6 builds whatever a checkpoint names'
)


@pytest.fixture(autouse=True)
def _allowed():
    before = torch.serialization.get_safe_globals()
    allow_mmengine_checkpoints()
    allow_mmengine_checkpoints()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def reload(value: object) -> object:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file)


def test_the_message_hub_comes_back() -> None:
    hub = MessageHub('test_checkpoints')
    for loss in (1.0, 2.0, 6.0):
        hub.update_scalar('train/loss', torch.tensor(loss))
    infos = dict(
        best=np.float64(58.9),
        single=np.float32(0.5),
        half=np.float16(0.5),
        count=np.int64(3),
        byte=np.uint8(7),
        flag=np.bool_(True),
    )
    hub.update_info_dict({**infos, 'palette': np.arange(6, dtype=np.uint8).reshape(2, 3)})
    state = reload(hub.state_dict())
    loss = state['log_scalars']['train/loss']
    assert (loss.mean(), loss.max(), loss.min(), loss.current()) == (3.0, 6.0, 1.0, 6.0)
    assert loss.statistics('mean', 2) == 4.0
    for name, value in infos.items():
        assert state['runtime_info'][name] == value and type(state['runtime_info'][name]) is type(value)
    assert np.array_equal(state['runtime_info']['palette'], [[0, 1, 2], [3, 4, 5]])


def test_parts_of_configs_come_back() -> None:
    given = dict(meta=ConfigDict(a=dict(b=2)), file=Path('labels', 'a.txt'), classes=np.array(['cat', 'mouse']))
    found = reload(given)
    assert found['meta'].a.b == 2 and found['file'] == given['file']
    assert found['classes'].tolist() == ['cat', 'mouse']


def test_a_one_cycle_schedule_comes_back() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    state = OneCycleLR(optimizer, eta_max=0.5, total_steps=10).state_dict()
    assert reload(state) == state and callable(state['anneal_func'])


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'value',
    [
        Calls(os.system, 'true'),
        Calls(eval, '1'),
        Calls(getattr, torch.Tensor, '__class__'),
        Calls(getattr, MessageHub, 'get_instance'),
        Calls(getattr, OneCycleParamScheduler, 'build_iter_from_epoch'),
        Calls(getattr, ['unhashable'], 'append'),
        np.array([{}], dtype=object),
    ],
    ids=['os.system', 'eval', 'getattr of a tensor', 'of a hub', 'of a schedule', 'of a list', 'object array'],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(UnpicklingError):
        reload(value)


def test_getattr_gives_out_the_statistics_of_a_history_only() -> None:
    from mmengine.logging.history_buffer import HistoryBuffer

    assert reload(Calls(getattr, HistoryBuffer, 'mean')) is HistoryBuffer.mean
    with pytest.raises(UnpicklingError, match='__init__'):
        reload(Calls(getattr, HistoryBuffer, '__init__'))


@pytest.mark.parametrize('wrap', [lambda weights: weights, lambda weights: dict(meta={}, state_dict=weights)])
def test_weights_below_a_prefix_and_all_others(wrap) -> None:
    weights = {f'{DOWNSIZER}{DOWNSIZER}a': 1, f'{DOWNSIZER}b': 2, f'backbone.{DOWNSIZER}c': 3, 'head.d': 4}
    given = weights_of(wrap(weights))
    assert below(given, DOWNSIZER) == {f'{DOWNSIZER}a': 1, 'b': 2}  # taken off once, and only in front
    assert without(given, DOWNSIZER) == {f'backbone.{DOWNSIZER}c': 3, 'head.d': 4}
    assert below(given, '') == weights
