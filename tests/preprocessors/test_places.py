"""A downsizer's weights find their place, wherever a checkpoint and a model have the downsizer."""

import copy
import io
import pickle

import pytest
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.runner import load_checkpoint
from torch import nn

from mmdownsize.checkpoints import CheckpointError, places_of_downsizers, weights_of_downsizer
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.preprocessors.pair import PairDownsizePreprocessor
from mmdownsize.refusal import Refusal
from tests.preprocessors.batches import trained_downsizer


class Around(BaseDataPreprocessor):
    """A preprocessor of somebody else, around another one."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner


class Model(BaseModel):
    def __init__(self, preprocessor):
        super().__init__(data_preprocessor=preprocessor)
        self.backbone = nn.Linear(1, 2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return inputs


class Teaching(nn.Module):
    """A model inside another one, as a distiller has its student."""

    def __init__(self, preprocessor):
        super().__init__()
        self.architecture = Model(preprocessor)


def plain(**settings):
    return PairDownsizePreprocessor(downsizer=trained_downsizer(**settings), scale_factor=0.5)


MODELS = {
    'plain': lambda **settings: Model(plain(**settings)),
    'inside another': lambda **settings: Model(Around(plain(**settings))),
    'two levels inside': lambda **settings: Model(Around(Around(plain(**settings)))),
    'a model in a model': lambda **settings: Teaching(plain(**settings)),
    'a copy': lambda **settings: copy.deepcopy(Model(plain(**settings))),
    'pickled': lambda **settings: pickle.loads(pickle.dumps(Model(plain(**settings)))),
    'a preprocessor alone': plain,
    'several layers around': lambda **settings: nn.Sequential(nn.ModuleList([Model(plain(**settings))])),
}
PREFIXES = [
    '',
    'data_preprocessor.',
    'data_preprocessor.inner.',
    'student.',
    'model.model.',
    'data_preprocessor.a.b.c.',
]


def loaded_by_torch(model, state):
    model.load_state_dict(state, strict=False)


def loaded_by_mmengine(model, state):
    file = io.BytesIO()
    torch.save(dict(state_dict=state, meta={}), file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.runner.checkpoint._load_checkpoint', lambda *_: dict(state_dict=state, meta={}))
        load_checkpoint(model, 'a file', map_location='cpu')


def trained_state(prefix):
    """A checkpoint whose downsizer is not as it starts, and the downsizer."""
    torch.manual_seed(1)
    net = trained_downsizer()
    place = 'data_preprocessor.downsizer.'
    where = (
        f'data_preprocessor.{prefix.removeprefix("data_preprocessor.")}downsizer.'
        if 'data' in prefix
        else prefix + place
    )
    return {where + key: value for key, value in net.state_dict().items()}, net


@pytest.mark.parametrize('load', [loaded_by_torch, loaded_by_mmengine])
@pytest.mark.parametrize('prefix', PREFIXES)
@pytest.mark.parametrize('kind', MODELS)
def test_every_checkpoint_fills_every_model(kind, prefix, load):
    torch.manual_seed(2)
    model = MODELS[kind]()
    state, net = trained_state(prefix)
    names = list(state)
    load(model, state)
    found = find_preprocessor(model).downsizer.state_dict()
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(found[key], value) for key, value in net.state_dict().items())
    assert list(state) == names  # the caller's own is as it was


def test_nothing_is_missing_or_unexpected_then():
    model = MODELS['inside another']()
    state, _ = trained_state('')
    missing, unexpected = model.load_state_dict({**state, 'backbone.weight': torch.zeros(2, 1)}, strict=False)
    assert (missing, unexpected) == (['backbone.bias'], [])


def test_a_downsizer_at_its_own_place_wins():
    own, net = trained_state('')
    other = {f'teacher.{key}': value + 1 for key, value in own.items()}
    model = MODELS['plain']()
    model.load_state_dict({**other, **own}, strict=False)
    assert torch.equal(find_preprocessor(model).downsizer.fusion.weight, net.fusion.weight)
    assert torch.equal(weights_of_downsizer({**other, **own})['fusion.weight'], net.fusion.weight)


def test_two_downsizers_with_the_same_weights_are_one():
    own, net = trained_state('')
    state = {f'{model}.{key}': value.clone() for model in ('student', 'teacher') for key, value in own.items()}
    model = MODELS['plain']()
    model.load_state_dict(state, strict=False)
    assert torch.equal(find_preprocessor(model).downsizer.fusion.weight, net.fusion.weight)
    assert torch.equal(weights_of_downsizer(state)['fusion.weight'], net.fusion.weight)


def test_two_downsizers_of_which_neither_is_meant_are_refused():
    own, _ = trained_state('')
    state = {f'{m}.{key}': value + (m == 'teacher') for m in ('student', 'teacher') for key, value in own.items()}
    model = MODELS['plain']()
    with pytest.raises(
        CheckpointError, match=r'student\.data_preprocessor\.downsizer\.\* and teacher.*rename the weights'
    ):
        model.load_state_dict(state, strict=False)
    with pytest.raises(CheckpointError, match=r'2 downsizers, student\.data_preprocessor\.downsizer\.\*, teacher'):
        weights_of_downsizer(state)


def test_one_downsizer_for_a_model_with_two_is_refused():
    model = nn.ModuleDict(dict(a=MODELS['plain'](), b=MODELS['plain']()))
    state, _ = trained_state('')
    with pytest.raises(CheckpointError, match=r'the model has a\.data_preprocessor\.downsizer\.\* and b\.data_pre'):
        model.load_state_dict(state, strict=False)
    with pytest.raises(Refusal, match=r'2 preprocessors with a downsizer, a\.data_preprocessor, b\.data_pre'):
        find_preprocessor(model)


@pytest.mark.parametrize('prefix', PREFIXES)
def test_another_downsizer_is_refused_wherever_it_is(prefix):
    state, _ = trained_state(prefix)
    with pytest.raises(CheckpointError, match=r'texture\.0\.bias is \(16,\) instead of \(8,\)'):
        MODELS['plain'](channels=8).load_state_dict(state, strict=False)


def test_a_checkpoint_without_a_downsizer_leaves_it_as_it_starts():
    model = MODELS['inside another']()
    before = copy.deepcopy(model.state_dict())
    # Names that only look like a downsizer's.
    others = ['backbone.downsizer.weight', 'data_preprocessor.downsizers.a', 'my_data_preprocessor.downsizer.a']
    assert places_of_downsizers(dict.fromkeys(others)) == []
    _, unexpected = model.load_state_dict(dict.fromkeys(others, torch.zeros(1)), strict=False)
    assert sorted(unexpected) == sorted(others)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_preprocessor_of_a_wrapped_model_is_found():
    model = MODELS['two levels inside']()
    assert find_preprocessor(nn.DataParallel(model)) is model.data_preprocessor.inner.inner
    assert find_preprocessor(nn.Linear(1, 1)) is None
