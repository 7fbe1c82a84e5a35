"""Layers keep the settings of their weights in a state dict, as resizers do."""

import warnings

import pytest
import torch

from mmdownsize.layers.downsample import ImportanceDownsample
from mmdownsize.layers.roi_align import TextureRoIAlign
from mmdownsize.layers.upsample import TextureUpsample
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers.settings import KEY

LAYERS = [
    (
        TextureUpsample,
        dict(in_channels=5, scale_factor=2),
        dict(start='nearest'),
        "'bilinear' in the weights, 'nearest' here",
    ),
    (TextureUpsample, dict(in_channels=5), dict(normalize='sigmoid'), "'softmax' in the weights, 'sigmoid' here"),
    (ImportanceDownsample, dict(in_channels=5), dict(kernel='triangle'), "'area' in the weights, 'triangle' here"),
    (ImportanceDownsample, dict(in_channels=5), dict(limit=2.0), 'limit=4.0 in the weights, 2.0 here'),
    (TextureRoIAlign, dict(in_channels=5, output_size=7), dict(spatial_scale=0.25), '=1.0 in the weights, 0.25 here'),
]


@pytest.mark.parametrize(('kind', 'settings', 'other', 'message'), LAYERS)
def test_other_settings_are_refused_by_name(kind, settings, other, message):
    state = kind(**settings).state_dict()
    with pytest.raises(ValueError, match=f'do not fit this {kind.__name__}: .*{message}'):
        kind(**settings, **other).load_state_dict(state)


@pytest.mark.parametrize(('kind', 'settings'), [layer[:2] for layer in LAYERS])
def test_the_same_settings_load_and_earlier_weights_do_with_a_note(kind, settings):
    state = kind(**settings).state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        kind(**settings).load_state_dict(state)
    del state[KEY]
    with pytest.warns(UserWarning, match=f'these weights of a {kind.__name__} come without its settings') as told:
        assert not any(kind(**settings).load_state_dict(state))
    assert len(told) == 1


def test_a_target_is_not_one_of_them():
    state = TextureUpsample(in_channels=5, scale_factor=2).state_dict()
    TextureUpsample(in_channels=5, size=40).load_state_dict(state)
    state = TextureRoIAlign(in_channels=5, output_size=7).state_dict()
    TextureRoIAlign(in_channels=5, output_size=(14, 14)).load_state_dict(state)


def test_a_downsizer_of_images_is_no_layer():
    state = DownsizeNet(
        in_channels=5, start='nearest'
    ).state_dict()  # of the nearest centre, a layer's is PyTorch's nearest
    with pytest.raises(ValueError, match=r'value_range=\(0\.0, 255\.0\) in the weights, \(-1\.0, 1\.0\) here'):
        TextureUpsample(in_channels=5, start='nearest').load_state_dict(state)
    assert torch.is_tensor(state[KEY])
