"""Malformed checkpoints: cut off, hostile, another's; nothing of them is run, and nothing is loaded in part."""

import json
import pickle

import pytest
import torch
from mmengine.runner import load_checkpoint
from safetensors.torch import save_file

from mmdownsize.checkpoints import CheckpointError, read_checkpoint
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers import io as pretrained
from tests.bad_input.case import Accepted, Case
from tests.bad_input.configs import build
from tests.preprocessors.batches import trained_downsizer

PREFIX = 'data_preprocessor.downsizer.'


class Bomb:
    """What a hostile file holds: it makes a file where it is unpickled."""

    def __init__(self, folder):
        self.marker = folder / 'exploded'

    def __reduce__(self):
        return open, (str(self.marker), 'w')


def saved(folder, change_state=None, change_metadata=None, **settings):
    """A trained downsizer's file, with changes."""
    net = trained_downsizer(**settings)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    metadata = dict(format=pretrained.format_of('DownsizeNet'), arguments=json.dumps(net.arguments()), provenance='{}')
    if change_state:
        change_state(state)
    if change_metadata:
        change_metadata(metadata)
    save_file(state, folder / 'net.safetensors', metadata)
    return folder / 'net.safetensors'


def file(id, make, value, way_out, error=ValueError, **settings):
    """A file that a config names with pretrained=, made by ``make``."""

    def use(folder):
        path = make(folder)
        try:
            build('det', dict(downsizer=dict(type='DownsizeNet', pretrained=str(path), **settings)))
        finally:
            assert not (folder / 'exploded').exists()

    return Case(f'pretrained: {id}', use, error, value, way_out)


def states(id, change, value, way_out):
    return file(id, lambda folder: saved(folder, change_state=change), value, way_out)


def metadata(id, value, way_out, **fields):
    def change(found):
        found.update({key: content for key, content in fields.items() if content is not None})
        for key in [key for key, content in fields.items() if content is None]:
            del found[key]

    return file(id, lambda folder: saved(folder, change_metadata=change), value, way_out)


def cut(path, keep=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def written(folder, content):
    (folder / 'file').write_bytes(content)
    return folder / 'file'


def checkpoint(folder, change=None, prefix=PREFIX, **settings):
    """A model's checkpoint as mmengine writes it."""
    state = {prefix + key: value.clone() for key, value in trained_downsizer(**settings).state_dict().items()}
    state['backbone.weight'] = torch.zeros(2)
    if change:
        change(state)
    torch.save(dict(state_dict=state, meta={}), folder / 'epoch_1.pth')
    return folder / 'epoch_1.pth'


def pickled(folder, content):
    torch.save(content, folder / 'epoch_1.pth')
    return folder / 'epoch_1.pth'


def read(id, make, value, way_out):
    """A file that mmengine is to load, as load_from or to resume."""

    def use(folder):
        path = make(folder)
        try:
            read_checkpoint(path)
        finally:
            assert not (folder / 'exploded').exists()

    return Case(f'checkpoint: {id}', use, CheckpointError, value, way_out)


def initial(id, make, value, way_out, prefix=PREFIX):
    """A checkpoint that the downsizer's init_cfg names."""

    def use(folder):
        init_cfg = dict(type='Pretrained', checkpoint=str(make(folder)), **(dict(prefix=prefix) if prefix else {}))
        preprocessor = build('det', dict(downsizer=dict(type='DownsizeNet', init_cfg=init_cfg)))
        before = {key: value.clone() for key, value in preprocessor.state_dict().items()}
        try:
            preprocessor.init_weights()
        finally:
            assert not (folder / 'exploded').exists()
            after = preprocessor.downsizer.fusion.state_dict()
            assert all(torch.equal(after[key], before[f'downsizer.fusion.{key}']) for key in after)

    return Case(f'init_cfg: {id}', use, CheckpointError, value, way_out)


class Model(torch.nn.Module):
    """As small as a model with a preprocessor can be."""

    def __init__(self, **settings):
        super().__init__()
        self.data_preprocessor = build('det', dict(downsizer=dict(type='DownsizeNet', **settings)))
        self.backbone = torch.nn.Linear(1, 2)


def loaded(id, make, value, way_out):
    """A checkpoint that mmengine loads into a model, as Runner does."""

    def use(folder):
        model = Model()
        before = {key: value.clone() for key, value in model.data_preprocessor.state_dict().items()}
        try:
            load_checkpoint(model, str(make(folder)), map_location='cpu')
        finally:
            after = model.data_preprocessor.state_dict()
            assert all(torch.equal(after[key], before[key]) for key in before)

    return Case(f'load_from: {id}', use, CheckpointError, value, way_out)


def not_a_number(key):
    def change(state):
        state[key][0] = float('nan')

    return change


def with_two(folder):
    """A checkpoint of two models, each with a downsizer of its own."""

    def change(state):
        state.update({f'teacher.{key}': value + 1 for key, value in state.items() if key.startswith(PREFIX)})
        state.update({f'student.{key}': state.pop(key) for key in list(state) if key.startswith(PREFIX)})

    return checkpoint(folder, change)


def text(content):
    return torch.tensor(list(content.encode()), dtype=torch.uint8)


def floats_to_ints(state):
    state['fusion.bias'] = state['fusion.bias'].long()


EXTRACT = 'extract makes one from a checkpoint'
EARLIER = 'take an earlier'
CASES = [
    # A trained downsizer's file
    file('cut off', lambda f: cut(saved(f)), 'net.safetensors', f'not a safetensors file .*{EXTRACT}'),
    file('cut off in its header', lambda f: cut(saved(f), 0.01), 'net.safetensors', EXTRACT),
    file('empty', lambda f: written(f, b''), '/file', EXTRACT),
    file('text', lambda f: written(f, b'weights, honestly' * 9), '/file', EXTRACT),
    file('hostile', lambda f: written(f, pickle.dumps(Bomb(f))), '/file', EXTRACT),
    file("a model's checkpoint", checkpoint, 'epoch_1.pth', EXTRACT),
    file('a folder', lambda f: f, 'no trained downsizer', 'it is a folder', FileNotFoundError),
    file('not there', lambda f: f / 'gone', '/gone', 'no such file, and those with the', FileNotFoundError),
    states('a weight missing', lambda s: s.pop('fusion.bias'), 'fusion.bias is missing', 'does not fit its own'),
    states('a weight too many', lambda s: s.update(extra=torch.zeros(1)), 'extra is unknown', 'does not fit its own'),
    states(
        'a weight of another shape',
        lambda s: s.update({'fusion.bias': torch.zeros(7)}),
        'fusion.bias is (7,)',
        r'instead of \(4,\)',
    ),
    states('integers', floats_to_ints, 'fusion.bias is torch.int64', 'instead of torch.float32'),
    states('NaN', not_a_number('fusion.bias'), 'fusion.bias is not finite', 'does not fit its own'),
    metadata("somebody else's metadata", "'pt'", EXTRACT, format='pt'),
    metadata('no format', 'None instead of', EXTRACT, format=None),
    metadata(
        'another version',
        "'mmdownsize.DownsizeNet/2'",
        'use the mmdownsize that wrote it',
        format='mmdownsize.DownsizeNet/2',
    ),
    metadata('no arguments', 'got None', 'its arguments must be a JSON object', arguments=None),
    metadata('arguments that are no JSON', "got '{channels: 16}'", 'write the file again', arguments='{channels: 16}'),
    metadata('arguments in a list', "got '[16]'", 'must be a JSON object', arguments='[16]'),
    metadata(
        'an argument of a wrong type',
        "got '16'",
        'net.safetensors has wrong arguments: channels must be',
        arguments='{"channels": "16"}',
    ),
    metadata('an argument of a wrong value', 'got 3', 'neighbors must be an even number', arguments='{"neighbors": 3}'),
    metadata(
        'arguments that ask for a terabyte',
        'instead of (1000000,',
        'does not fit its own',
        arguments='{"channels": 1000000}',
    ),
    metadata('an unknown argument', "['magic']", 'written by another version', arguments='{"magic": 1}'),
    metadata(
        'a file that names a file', "['pretrained']", 'written by another version', arguments='{"pretrained": "x"}'
    ),
    metadata('colours in no order', "'GBR'", 'neither BGR nor RGB; write the file again', color_order='GBR'),
    metadata('no provenance', 'got None', 'its provenance must be a JSON object', provenance=None),
    file('another setting in the config', saved, 'got 6', 'was trained with neighbors=2.*leave it out', neighbors=6),
    # A checkpoint, read
    read('not there', lambda f: f / 'gone.pth', 'gone.pth', 'no such checkpoint'),
    read('a folder', lambda f: f, '/', 'is a folder: name the checkpoint in it'),
    read('empty', lambda f: written(f, b''), '/file is empty', EARLIER),
    read('cut off', lambda f: cut(checkpoint(f)), 'epoch_1.pth is cut off', EARLIER),
    read('its last byte missing', lambda f: cut(checkpoint(f), 0.9999), 'epoch_1.pth is cut off', EARLIER),
    read('text', lambda f: written(f, b'weights, honestly'), '/file', 'is no checkpoint, or holds objects'),
    read(
        'a bare hostile pickle', lambda f: written(f, pickle.dumps(Bomb(f))), '/file', 'could run code.*is not loaded'
    ),
    read(
        'hostile',
        lambda f: pickled(f, dict(state_dict={}, meta=Bomb(f))),
        'epoch_1.pth',
        'could run code.*is not loaded',
    ),
    read('a list', lambda f: pickled(f, [1, 2]), 'holds a list', 'weights by name are expected'),
    read('its weights in a list', lambda f: pickled(f, dict(state_dict=[1])), 'holds a list', 'weights by name'),
    # A checkpoint that init_cfg names
    initial('without downsizer', lambda f: checkpoint(f, prefix='neck.'), 'fusion.bias is missing', 'prefix='),
    initial('of a whole model', checkpoint, 'backbone.weight is unknown', 'does not fit the downsizer', prefix=None),
    initial(
        'of another size',
        lambda f: checkpoint(f, channels=8),
        'texture.0.bias is (8,)',
        r'instead of \(16,\).*settings that it',
    ),
    initial(
        'NaN',
        lambda f: checkpoint(f, not_a_number(f'{PREFIX}fusion.bias')),
        'fusion.bias is not finite',
        'does not fit',
    ),
    initial('hostile', lambda f: pickled(f, dict(state_dict={}, meta=Bomb(f))), 'epoch_1.pth', 'could run code'),
    initial('cut off', lambda f: cut(checkpoint(f)), 'epoch_1.pth is cut off', EARLIER),
    initial(
        'with its downsizer inside another preprocessor',
        lambda f: checkpoint(f, prefix=f'data_preprocessor.{PREFIX}'),
        "prefix='data_preprocessor.data_preprocessor.downsizer'",
        'no weights below prefix=',
    ),
    initial(
        'of another start',
        lambda f: checkpoint(f, start='area'),
        "start='area' in the",
        "'bilinear' here.*settings that",
    ),
    # A checkpoint that mmengine loads into a model: it would log what does not fit, and go on
    loaded(
        'of another size',
        lambda f: checkpoint(f, channels=8),
        'texture.0.bias is (8,)',
        'settings that it was trained with',
    ),
    loaded(
        'of another depth', lambda f: checkpoint(f, num_convs=3), 'texture.2.bias is unknown', 'settings that it was'
    ),
    *(
        loaded(
            f'of another {name}',
            lambda f, name=name, given=given: checkpoint(f, **{name: given}),
            f'{name}={given!r} in the weights',
            'here.*settings that it was trained with',
        )
        for name, given in dict(
            start='area', distance='area', normalize='sigmoid', value_range=(0.0, 1.0), neighbors='auto'
        ).items()
    ),
    loaded(
        'settings that are none',
        lambda f: checkpoint(f, lambda s: s.update({f'{PREFIX}_extra_state': torch.zeros(3, dtype=torch.uint8)})),
        'its settings cannot be read',
        'settings that it was',
    ),
    loaded(
        'a setting of the future',
        lambda f: checkpoint(f, lambda s: s.update({f'{PREFIX}_extra_state': text('{"magic": 1}')})),
        'magic=1 is a setting of another version',
        'settings that it was',
    ),
    loaded(
        'NaN',
        lambda f: checkpoint(f, not_a_number(f'{PREFIX}fusion.weight')),
        'fusion.weight is not finite',
        'does not fit',
    ),
    loaded(
        'a weight missing',
        lambda f: checkpoint(f, lambda s: s.pop(f'{PREFIX}fusion.bias')),
        'fusion.bias is missing',
        'does not fit',
    ),
    loaded('two other downsizers', with_two, f'teacher.{PREFIX}*', 'rename the weights of the checkpoint'),
    loaded(
        'of another size, inside another preprocessor',
        lambda f: checkpoint(f, channels=8, prefix=f'data_preprocessor.{PREFIX}'),
        'texture.0.bias is (8,)',
        'settings that it was trained with',
    ),
]


def without_downsizer(folder):
    """What a model has learnt before it had a downsizer: that one starts as it is."""
    model = Model()
    before = {key: value.clone() for key, value in model.data_preprocessor.state_dict().items()}
    torch.save(dict(state_dict={'backbone.bias': torch.tensor([3.0, 4.0])}), folder / 'zoo.pth')
    load_checkpoint(model, str(folder / 'zoo.pth'), map_location='cpu')
    assert model.backbone.bias.tolist() == [3.0, 4.0]
    assert all(torch.equal(value, before[key]) for key, value in model.data_preprocessor.state_dict().items())


def with_a_fixed_resizer(folder):
    """What a model has learnt behind a DownsizeNet, tried behind a fixed kernel."""
    model = Model()
    model.data_preprocessor = build('det', {})
    load_checkpoint(model, str(checkpoint(folder)), map_location='cpu')
    assert not model.data_preprocessor.state_dict()


def in_half(folder):
    def halve(state):
        state.update({key: value.half() for key, value in state.items()})

    net = DownsizeNet.from_pretrained(saved(folder, halve))
    assert net.fusion.weight.dtype == torch.float32 and net.fusion.weight.abs().sum() > 0


def without_settings(folder):
    """What an earlier version has saved: it loads, with a note."""
    model = Model()
    with pytest.warns(UserWarning, match='these weights of a DownsizeNet come without its settings') as told:
        path = checkpoint(folder, lambda s: s.pop(f'{PREFIX}_extra_state'))
        load_checkpoint(model, str(path), map_location='cpu')
    assert len(told) == 1 and model.data_preprocessor.downsizer.fusion.weight.abs().sum() > 0


def config_dropped(folder):
    """mmengine would run meta['config'] when it resumes."""
    meta = dict(config=f"open({str(folder / 'exploded')!r}, 'w')", epoch=3)
    found = read_checkpoint(pickled(folder, dict(state_dict={}, meta=meta)))
    assert found['meta'] == dict(epoch=3)


ACCEPTED = [
    Accepted("a model's checkpoint from before it had a downsizer", without_downsizer),
    Accepted("a downsizer's weights, for a fixed resizer", with_a_fixed_resizer),
    Accepted('weights in half precision', in_half),
    Accepted('weights of before settings were saved', without_settings),
    Accepted('a config in the checkpoint, which is dropped', config_dropped),
]
