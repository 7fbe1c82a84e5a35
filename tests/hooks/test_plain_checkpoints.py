"""Checkpoints without objects: what is kept of each kind of value, and that a training resumes from it."""

import io
from collections import OrderedDict, deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OneCycleLR
from mmengine.registry import HOOKS

from mmdownsize.hooks.plain_checkpoints import PlainCheckpointHook, plain


@pytest.fixture(autouse=True)
def _nothing_allowed():
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(before)


def reload(value: object) -> object:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    'given, wanted',
    [
        (np.float64(58.9), 58.9),
        (np.bool_(True), True),
        (np.str_('cat'), 'cat'),
        (np.longdouble(0.5), '0.5'),
        (np.arange(4, dtype=np.uint8).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(['cat', 'mouse']), ['cat', 'mouse']),
        (ConfigDict(a=dict(b=(1, None))), dict(a=dict(b=(1, None)))),
        ({np.int64(3): b'x'}, {3: b'x'}),
        (OrderedDict(a=1), OrderedDict(a=1)),
        (deque([1, 2]), [1, 2]),
        (frozenset({1}), {1}),
        (Path('a', 'b'), str(Path('a', 'b'))),
        (torch.Size([2]), torch.Size([2])),
        (torch.bfloat16, torch.bfloat16),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_kept(given, wanted) -> None:
    found = reload(plain(given, 'meta'))
    assert found == wanted and type(found) is type(wanted)


def test_tensors_are_the_same() -> None:
    tensor = torch.rand(2)
    assert plain([tensor], 'meta')[0] is tensor


def test_what_has_no_plain_form_is_named_and_kept_as_text() -> None:
    with pytest.warns(UserWarning, match=r"meta\.dataset_meta\.note is a SimpleNamespace: .* 'namespace\(a=1\)' of it"):
        found = plain(dict(dataset_meta=dict(note=SimpleNamespace(a=1))), 'meta')
    assert reload(found) == dict(dataset_meta=dict(note='namespace(a=1)'))


def test_a_training_resumes_from_it() -> None:
    hook = HOOKS.build(dict(type='mmdownsize.PlainCheckpointHook'))
    assert isinstance(hook, PlainCheckpointHook)
    hub = MessageHub('plain')
    for loss in (1.0, 2.0, 6.0):
        hub.update_scalar('train/loss', loss)
    hub.update_info('best_score', np.float64(3.0))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = OneCycleLR(optimizer, eta_max=0.5, total_steps=10)
    schedule.step()
    weights = OrderedDict(a=torch.rand(2))
    states = [schedule.state_dict()]
    checkpoint = dict(
        meta=dict(epoch=1), message_hub=hub.state_dict(), param_schedulers=dict(a=states), state_dict=weights
    )
    hook.before_save_checkpoint(None, checkpoint)
    assert checkpoint['state_dict'] is weights and callable(schedule.state_dict()['anneal_func'])
    found = reload(checkpoint)
    hook.after_load_checkpoint(None, found)

    other = MessageHub('resumed')
    other.load_state_dict(found['message_hub'])
    loss = other.get_scalar('train/loss')
    assert (loss.mean(), loss.max(), loss.current(), loss.statistics('mean', 2)) == (3.0, 6.0, 6.0, 4.0)
    assert loss.max_length == hub.get_scalar('train/loss').max_length and other.get_info('best_score') == 3.0
    again = OneCycleLR(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1), eta_max=0.5, total_steps=10)
    again.load_state_dict(found['param_schedulers']['a'][0])
    again.step()
    schedule.step()
    assert again.get_last_value() == schedule.get_last_value()


def test_weights_alone_are_loaded() -> None:
    checkpoint = dict(state_dict=dict(a=torch.zeros(1)))
    PlainCheckpointHook().after_load_checkpoint(None, checkpoint)
    PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    assert checkpoint.keys() == {'state_dict'}
