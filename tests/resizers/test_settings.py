"""State dicts hold settings. Loading under other settings raises an error that names them. Copies and averages keep them."""

import copy
import io
import json
import warnings

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_checkpoint, save_checkpoint

from mmdownsize.resizers import DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer
from mmdownsize.resizers.settings import KEY

# Kind: settings, and others of the same weights that make another result of them.
KINDS = {
    DownsizeNet: (
        dict(neighbors=4, start='area', distance='area'),
        [
            dict(start='triangle'),
            dict(start='random'),
            dict(distance='bicubic'),
            dict(distance='triangle'),
            dict(normalize='sigmoid'),
            dict(normalize='signed'),
            dict(normalize='none'),
            dict(neighbors='auto'),
            dict(value_range=(0.0, 1.0)),
        ],
    ),
    ImportanceResizer: (
        dict(num_convs=2),
        [
            dict(kernel='triangle'),
            dict(around='lanczos_antialias'),
            dict(limit=2.0),
            dict(dilation=2),
            dict(value_range=(0.0, 1.0)),
        ],
    ),
    LearnedResizer: ({}, [dict(value_range=(0.0, 1.0))]),
    MullerResizer: (
        {},
        [
            dict(kernel='bicubic'),
            dict(antialias=True),
            dict(kernel_size=7),
            dict(stddev=2.0),
            dict(value_range=(0.0, 1.0)),
        ],
    ),
}
CASES = [(kind, settings, other) for kind, (settings, others) in KINDS.items() for other in others]
same_settings = pytest.mark.parametrize(('kind', 'settings'), [(kind, own) for kind, (own, _) in KINDS.items()])


def trained(kind, **settings):
    net = kind(**settings)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return net


def images():
    return torch.randint(0, 256, (1, 3, 14, 11)).float()


@pytest.mark.parametrize(('kind', 'settings', 'other'), CASES, ids=str)
def test_other_settings_are_refused_by_name_and_nothing_is_loaded(kind, settings, other):
    state = trained(kind, **settings).state_dict()
    net = kind(**{**settings, **other})
    before = copy.deepcopy(net.state_dict())
    ((name, value),) = other.items()
    for strict in (True, False):
        with pytest.raises(ValueError, match=rf'do not fit this {kind.__name__}: .*{name}=.* in the weights') as e:
            net.load_state_dict(state, strict=strict)
        assert f'{value!r} here' in str(e.value) and '\n' not in str(e.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    state.pop(KEY)
    # Which is right: without the settings they load, and give another image.
    with pytest.warns(UserWarning, match='come without its settings'):
        net.load_state_dict(state)
    with pytest.warns(UserWarning, match='come without its settings'):
        (own := kind(**settings)).load_state_dict(state)
    batch = images()
    assert (net.eval()(batch, (6, 5)) - own.eval()(batch, (6, 5))).abs().max() > 1e-3


@same_settings
def test_the_same_settings_load_without_a_word(kind, settings):
    net, other = trained(kind, **settings).eval(), kind(**settings, frozen=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert not any(other.load_state_dict(net.state_dict()))
        copied = copy.deepcopy(net)
        copied.load_state_dict(net.state_dict(), assign=True)
    batch = images()
    assert torch.equal(other(batch, (6, 5)), net(batch, (6, 5)))
    assert torch.equal(copied(batch, (6, 5)), net(batch, (6, 5)))


@pytest.mark.parametrize(
    ('kind', 'saved', 'here'),
    [
        (ImportanceResizer, dict(start='darkest', strength=8.0), {}),  # the tone is one of the weights
        (LearnedResizer, dict(start='bilinear'), {}),
        (DownsizeNet, dict(start='antialiased', neighbors=4), dict(start='triangle', neighbors=4)),
        (DownsizeNet, dict(value_range=[0, 255]), dict(value_range=(0.0, 255.0))),
        (DownsizeNet, dict(backend='dense', frozen=True), {}),
        (DownsizeNet, dict(texture=False), dict(texture=False, num_convs=3)),
    ],
)
@pytest.mark.filterwarnings('ignore:.*antialiased')
def test_settings_that_change_no_result_are_not_compared(kind, saved, here):
    kind(**here).load_state_dict(trained(kind, **saved).state_dict())


@same_settings
def test_weights_of_an_earlier_version_load_with_one_note(kind, settings):
    state = trained(kind, **settings).state_dict()
    del state[KEY]
    net = kind(**settings)
    with pytest.warns(UserWarning, match=f'these weights of a {kind.__name__} come without its settings') as told:
        assert not any(net.load_state_dict(state))  # strictly
    assert len(told) == 1
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in state.items())


def test_a_setting_that_is_younger_than_the_weights_had_its_default():
    net = trained(ImportanceResizer)
    state = net.state_dict()
    settings = json.loads(bytes(state[KEY].tolist()))
    del settings['around']
    state[KEY] = torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)
    ImportanceResizer().load_state_dict(state)
    with pytest.raises(ValueError, match=r"around=None in the weights, 'bicubic_antialias' here"):
        ImportanceResizer(around='bicubic_antialias').load_state_dict(state)


def test_a_file_needs_no_settings_in_its_weights_and_prints_no_note(tmp_path):
    path = tmp_path / 'net.safetensors'
    net = trained(ImportanceResizer, around='lanczos_antialias')
    net.save_pretrained(path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        loaded = ImportanceResizer.from_pretrained(path)
    assert KEY not in loaded._pretrained.state and loaded.around == 'lanczos_antialias'
    batch = images()
    assert torch.equal(loaded(batch, (6, 5)), net(batch, (6, 5)))


class Model(torch.nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.part = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), DownsizeNet(**settings))


def test_a_checkpoint_of_mmengine_keeps_them_and_its_loader_compares(tmp_path):
    model = Model(start='nearest')
    path = tmp_path / 'epoch_1.pth'
    save_checkpoint(dict(state_dict=model.state_dict()), str(path))
    found = torch.load(path, weights_only=True)['state_dict']
    assert json.loads(bytes(found[f'part.1.{KEY}'].tolist()))['start'] == 'nearest'
    load_checkpoint(Model(start='nearest'), str(path), strict=True)
    for strict in (True, False):
        with pytest.raises(ValueError, match=r"start='nearest' in the weights, 'bilinear' here"):
            load_checkpoint(Model(), str(path), strict=strict)


@pytest.mark.parametrize('buffers', [True, False])
def test_a_moving_average_copies_and_averages_past_them(buffers):
    model = Model(start='nearest')
    average = ExponentialMovingAverage(model, momentum=0.5, update_buffers=buffers)
    for _ in range(3):
        with torch.no_grad():
            model.part[1].fusion.bias.add_(1)
        average.update_parameters(model)
    assert average.module.part[1].fusion.bias.sum() > 0
    Model(start='nearest').load_state_dict(average.module.state_dict())
    copy.deepcopy(average).load_state_dict(average.state_dict())


def test_every_entry_of_a_state_dict_is_a_tensor_and_may_be_cast():
    model = Model(start='nearest')
    state = model.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        Model(start='nearest').load_state_dict({key: value.to(dtype) for key, value in state.items()})
        with pytest.raises(ValueError, match=r"start='nearest' in the weights"):
            Model().load_state_dict({key: value.to(dtype) for key, value in state.items()})
    content = io.BytesIO()
    torch.save(model.half().state_dict(), content)
    content.seek(0)
    Model(start='nearest').load_state_dict(torch.load(content, weights_only=True))


def test_a_model_that_had_no_resizer_lends_its_weights_without_a_note():
    model, other = Model(), torch.nn.Module()
    other.part = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        missing, unknown = model.load_state_dict(other.state_dict(), strict=False)
    assert not unknown and all(key.startswith('part.1.') for key in missing)
