"""Construction of ImportanceResizer: what there is to choose, what it makes, what is refused."""

import inspect
import warnings

import pytest
import torch

from mmdownsize.ops import kernels
from mmdownsize.resizers import ImportanceResizer


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        # conv 3 -> 16: 3 * 16 * 9 + 16 = 448; conv 16 -> 16: 2320; to a score: 16; the tone: 1
        ({}, 448 + 16 + 1),
        ({'num_convs': 2}, 448 + 2320 + 16 + 1),
        ({'num_convs': 3, 'dilation': 2}, 448 + 2 * 2320 + 16 + 1),
        ({'channels': 8}, 3 * 8 * 9 + 8 + 8 + 1),
        ({'in_channels': 1}, 16 * 9 + 16 + 16 + 1),
        ({'per_channel': True}, 448 + 3 * 16 + 3),
        ({'in_channels': 5, 'per_channel': True}, 5 * 16 * 9 + 16 + 5 * 16 + 5),
    ],
)
def test_number_of_parameters(arguments, expected):
    net = ImportanceResizer(**arguments)
    assert count(net) == expected
    assert all(parameter.requires_grad for parameter in net.parameters())
    net(torch.rand(1, net.in_channels, 9, 9), (4, 5))
    assert count(net) == expected


def test_defaults_are_the_documented_ones():
    parameters = inspect.signature(ImportanceResizer).parameters
    assert all(parameter.kind == inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        'num_convs': 1,
        'channels': 16,
        'dilation': 1,
        'kernel': 'area',
        'around': None,
        'limit': 4.0,
        'per_channel': False,
        'start': None,
        'strength': 4.0,
        'frozen': False,
        'in_channels': 3,
        'value_range': (0.0, 255.0),
        'backend': 'auto',
        'init_cfg': None,
    }


def test_only_convolutions_after_the_first_are_dilated():
    net = ImportanceResizer(num_convs=3, dilation=4)
    assert [conv.dilation for conv in net.texture] == [(1, 1), (4, 4), (4, 4)]
    assert net.dilations == (1, 4, 4)


def test_frozen_has_nothing_to_train_and_is_the_same_otherwise():
    net = ImportanceResizer(frozen=True, start='darkest')
    net.reset_parameters()
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert list(net.state_dict()) == list(ImportanceResizer().state_dict())
    assert not net.train().training
    source = 255 * torch.rand(1, 3, 9, 9)
    assert torch.equal(net(source, (4, 5)), ImportanceResizer(start='darkest')(source, (4, 5)))


def test_antialiased_is_another_name_of_triangle_and_a_note_says_so_once():
    kernels._note.cache_clear()
    with pytest.warns(UserWarning, match="say 'triangle'"):
        assert ImportanceResizer(kernel='antialiased').kernel == 'triangle'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert ImportanceResizer(kernel='antialiased').arguments()['kernel'] == 'triangle'
        assert ImportanceResizer(around='antialiased').around == 'triangle'


def test_names_avoid_what_openmmlab_matches_by_substring():
    for name, _ in ImportanceResizer().named_modules():
        assert not any(word in name for word in ('backbone', 'neck', 'head', 'norm', 'embed', 'bn'))


def test_repr_states_the_settings():
    text = repr(ImportanceResizer(num_convs=3, dilation=2, kernel='triangle', start='darkest', frozen=True))
    for part in ('num_convs=3', 'dilation=2', "kernel='triangle'", "start='darkest'", 'frozen=True', 'limit=4.0'):
        assert part in text
    assert 'strength=2.0' in repr(ImportanceResizer(start='brightest', strength=2))
    assert "around='sharp_area'" in repr(ImportanceResizer(around='sharp_area'))
    assert 'strength' not in repr(ImportanceResizer()) and 'around' not in repr(ImportanceResizer())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_convs': 0}, 'num_convs must be a whole number, 1 to 3, got 0'),
        ({'num_convs': 4}, 'num_convs must be a whole number, 1 to 3, got 4'),
        ({'num_convs': True}, 'num_convs must be .* got True'),
        ({'channels': 0}, 'channels must be .* at least 1, got 0'),
        ({'channels': 2.0}, 'channels must be .* got 2.0'),
        ({'in_channels': 0}, 'in_channels must be .* at least 1, got 0'),
        ({'num_convs': 2, 'dilation': 0}, 'dilation must be .* at least 1, got 0'),
        ({'dilation': 2}, 'dilation=2 is for the convolutions after the first: say num_convs=2 or 3 as well'),
        ({'kernel': 'sharp_area'}, "kernel='sharp_area' has negative weights.*nearest, bilinear, triangle, area"),
        ({'kernel': 'lanczos_antialias'}, "kernel='lanczos_antialias' has negative.*say around='lanczos_antialias'"),
        ({'around': 'lanczos3'}, "unknown around 'lanczos3', choose one of nearest.*lanczos_antialias"),
        ({'around': True}, 'unknown around True'),
        ({'around': 'area'}, "around='area' is the kernel: leave it out"),
        ({'kernel': 'triangle', 'around': 'antialiased'}, "around='triangle' is the kernel"),
        ({'kernel': 'mean'}, "unknown kernel 'mean', choose one of nearest, bilinear, triangle, area"),
        ({'kernel': None}, 'unknown kernel None'),
        ({'kernel': ['area']}, r"unknown kernel \['area'\]"),
        ({'limit': 0}, 'limit must be a number above 0, and finite, got 0'),
        ({'limit': float('inf')}, 'limit must be a number above 0, and finite, got inf'),
        ({'limit': 41}, 'limit must be at most 40, got 41'),
        ({'per_channel': 1}, 'per_channel must be True or False, got 1'),
        ({'start': 'dark'}, "unknown start 'dark', choose one of darkest, brightest"),
        ({'start': 0}, 'unknown start 0, choose one of darkest, brightest'),
        ({'strength': 3.0}, "strength=3.0 is for start='darkest' or 'brightest'"),
        ({'strength': -1}, 'strength must be a number above 0, and finite, got -1'),
        ({'frozen': 'no'}, "frozen must be True or False, got 'no'"),
        ({'value_range': (255, 0)}, r'value_range must be .* got \(255, 0\)'),
        ({'backend': 'fast'}, "unknown backend 'fast', choose one of auto, "),
    ],
)
def test_bad_arguments_are_refused_by_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImportanceResizer(**arguments)


@pytest.mark.parametrize('channels', [1, 4])
def test_images_with_other_channels_are_refused_by_value(channels):
    images = torch.rand(2, channels, 9, 9)
    for call in (lambda: ImportanceResizer()(images, (4, 5)), lambda: ImportanceResizer().importance(images)):
        with pytest.raises(ValueError, match=rf'3 channels.*\(2, {channels}, 9, 9\).*in_channels'):
            call()
    assert ImportanceResizer(in_channels=channels)(images, (4, 5)).shape == (2, channels, 4, 5)
