"""Construction: what there is to choose, what it makes, what is refused."""

import inspect
import warnings

import pytest
import torch

from mmdownsize.ops import kernels
from mmdownsize.resizers import DownsizeNet


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        # conv 3 -> 16: 3 * 16 * 9 + 16 = 448; conv 16 -> 16: 2320; 1x1 from 16 + 4 to 4: 84
        ({}, 448 + 2320 + 84),
        ({'num_convs': 1}, 448 + 84),
        ({'num_convs': 3}, 448 + 2 * 2320 + 84),
        ({'num_convs': 4}, 448 + 3 * 2320 + 84),
        ({'channels': 8}, 3 * 8 * 9 + 8 + 8 * 8 * 9 + 8 + (8 + 4) * 4 + 4),
        ({'in_channels': 1}, 1 * 16 * 9 + 16 + 2320 + 84),
        ({'distance': 'offset'}, 448 + 2320 + (16 + 2) * 4 + 4),
        ({'distance': 'bicubic'}, 448 + 2320 + (16 + 16) * 4 + 4),
        ({'distance': 'area'}, 448 + 2320 + (16 + 4) * 4 + 4),
        ({'distance': None, 'start': 'random'}, 448 + 2320 + 16 * 4 + 4),
        ({'texture': False}, 4 * 4 + 4),
        ({'neighbors': 4}, 448 + 2320 + (16 + 4) * 16 + 16),
        ({'neighbors': 4, 'distance': 'triangle'}, 448 + 2320 + (16 + 16) * 16 + 16),
        ({'neighbors': 6, 'distance': 'area'}, 448 + 2320 + (16 + 36) * 36 + 36),
        # coefficients of 'auto' are learned on 4x4 slots
        ({'neighbors': 'auto'}, 448 + 2320 + (16 + 4) * 16 + 16),
        ({'neighbors': 'auto', 'distance': 'triangle'}, 448 + 2320 + (16 + 16) * 16 + 16),
    ],
)
def test_number_of_parameters(arguments, expected):
    net = DownsizeNet(**arguments)
    assert count(net) == expected
    assert all(parameter.requires_grad for parameter in net.parameters())
    net(torch.rand(1, net.in_channels, 9, 9), (4, 5))
    assert count(net) == expected


def test_defaults_are_the_documented_ones():
    parameters = inspect.signature(DownsizeNet).parameters
    assert all(parameter.kind == inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        'num_convs': 2,
        'channels': 16,
        'neighbors': 2,
        'distance': 'bilinear',
        'normalize': 'softmax',
        'start': 'bilinear',
        'texture': True,
        'frozen': False,
        'in_channels': 3,
        'value_range': (0.0, 255.0),
        'backend': 'auto',
        'init_cfg': None,
    }


def test_frozen_has_nothing_to_train_and_is_the_same_otherwise():
    net = DownsizeNet(frozen=True)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert list(net.state_dict()) == list(DownsizeNet().state_dict())
    net.reset_parameters()
    assert not any(parameter.requires_grad for parameter in net.parameters())
    source = torch.rand(1, 3, 9, 9)
    assert torch.equal(net(source, (4, 5)), DownsizeNet()(source, (4, 5)))


def test_texture_off_ignores_num_convs():
    net = DownsizeNet(texture=False, num_convs=0)
    assert net.num_convs == 0
    assert not net.texture


@pytest.mark.parametrize('setting', ['start', 'distance'])
def test_antialiased_is_another_name_of_triangle_and_a_note_says_so_once(setting):
    kernels._note.cache_clear()
    with pytest.warns(
        UserWarning, match="'antialiased' is another name of the kernel 'triangle': say 'triangle'"
    ) as found:
        assert getattr(DownsizeNet(**{setting: 'antialiased'}, neighbors='auto'), setting) == 'triangle'
    assert [warning.filename for warning in found] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert DownsizeNet(**{setting: 'antialiased'}, neighbors='auto').arguments()[setting] == 'triangle'


def test_names_avoid_what_openmmlab_matches_by_substring():
    for name, _ in DownsizeNet().named_modules():
        assert not any(word in name for word in ('backbone', 'neck', 'head', 'norm', 'embed', 'bn'))


def test_repr_states_the_settings():
    text = repr(DownsizeNet(num_convs=3, neighbors='auto', start='area', normalize='sigmoid', frozen=True))
    for part in ('num_convs=3', "neighbors='auto'", "start='area'", "normalize='sigmoid'", 'frozen=True'):
        assert part in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_convs': 0}, 'num_convs must be a whole number, 1 to 4, got 0.*texture=False'),
        ({'num_convs': 5}, 'num_convs must be a whole number, 1 to 4, got 5'),
        ({'num_convs': -1}, 'got -1'),
        ({'channels': 0}, 'at least 1, got 0'),
        ({'in_channels': 0}, 'at least 1, got 0'),
        ({'neighbors': 3}, 'even number.*auto.*got 3'),
        ({'neighbors': 0}, 'even number.*got 0'),
        ({'neighbors': -2}, 'even number.*got -2'),
        ({'neighbors': 2.0}, 'even number.*got 2.0'),
        ({'neighbors': 'all'}, "even number.*got 'all'"),
        ({'distance': 'bilinar'}, "distance 'bilinar'.*offset, bilinear, bicubic, area, triangle"),
        ({'distance': None, 'texture': False}, 'nothing to learn'),
        ({'distance': None}, "start='bilinear'.*start='random'"),
        ({'normalize': 'tanh'}, "normalize 'tanh'.*softmax, sigmoid, none, signed"),
        ({'start': 'bilinar'}, "'bilinar'.*nearest.*bilinear.*area"),
        ({'start': 'bicubic'}, "start='bicubic'.*negative weights.*normalize='signed' or 'none', got 'softmax'"),
        ({'start': 'lanczos', 'normalize': 'sigmoid'}, "start='lanczos'.*negative weights.*got 'sigmoid'"),
        ({'value_range': (1.0, 1.0)}, r'value_range.*\(1.0, 1.0\)'),
        ({'value_range': (255, 0)}, r'value_range.*\(255, 0\)'),
    ],
)
def test_bad_arguments_are_refused_by_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        DownsizeNet(**arguments)


def test_unknown_names_of_starts_include_the_special_ones():
    with pytest.raises(ValueError, match='random'):
        DownsizeNet(start='bilinar')


@pytest.mark.parametrize('channels', [1, 4])
def test_images_with_other_channels_are_refused_by_value(channels):
    with pytest.raises(ValueError, match=rf'3 channels.*\(2, {channels}, 9, 9\).*in_channels'):
        DownsizeNet()(torch.rand(2, channels, 9, 9), (4, 5))
    assert DownsizeNet(in_channels=channels)(torch.rand(2, channels, 9, 9), (4, 5)).shape == (2, channels, 4, 5)
