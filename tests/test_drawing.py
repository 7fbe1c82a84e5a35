"""What the panels show, against what they should: exact pixels, counts and directions."""

import colorsys

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from mmdownsize.drawing import draw, panels
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer


def photograph() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (3, 20, 30)).float()


def pointing(tap: int) -> DownsizeNet:
    """A net that takes one of its 2 x 2 neighbours everywhere."""
    net = DownsizeNet(start='random', texture=False)
    with torch.no_grad():
        net.fusion.weight.zero_()
        net.fusion.bias.copy_(60.0 * (torch.arange(4) == tap))
    return net


def test_the_source_and_the_results_are_shown_in_rgb():
    image, net = photograph(), DownsizeNet(start='nearest')
    shown = panels(net, image, (5, 7))
    fixed = FixedResizer()(image[None], (5, 7))[0].flip(0).permute(1, 2, 0).round().to(torch.uint8).numpy()
    assert np.array_equal(shown['source'], image.flip(0).permute(1, 2, 0).to(torch.uint8).numpy())
    assert np.array_equal(shown['bilinear'], fixed)
    assert shown['learned'].shape == (5, 7, 3)
    straight = panels(net, image, (5, 7), bgr=False)
    assert np.array_equal(straight['learned'][..., ::-1], shown['learned'])


@pytest.mark.parametrize('make', [FixedResizer, DownsizeNet, ImportanceResizer])
@pytest.mark.parametrize('channels', [1, 2, 3, 4, 5])
def test_images_of_any_number_of_channels(channels, make):
    """A red image: only the red channel is not 0, the third of BGR; of one or two channels the first."""
    image = torch.zeros(channels, 20, 30)
    image[2 if channels > 2 else 0] = 200
    net = make() if make is FixedResizer else make(in_channels=channels)
    shown = panels(net, image, (5, 7))
    colour = {1: [200, 200, 200], 2: [200, 0, 100]}.get(channels, [200, 0, 0])
    for name, hw in (('source', (20, 30)), ('bilinear', (5, 7)), ('learned', (5, 7))):
        assert shown[name].shape == (*hw, 3) and shown[name].dtype == np.uint8
        assert (shown[name] == colour).all()
    (same,) = (value for key, value in shown.items() if key.startswith('difference'))
    assert (same == 128).all()
    assert draw(net, image, (5, 7)).shape[2] == 3


def test_it_is_said_that_only_three_channels_are_shown():
    three, four = (draw(FixedResizer(), torch.zeros(channels, 20, 30), (10, 15)) for channels in (3, 4))
    assert three.shape == four.shape and not np.array_equal(three, four)
    assert (three[:4] == 255).all()


def test_a_difference_is_blown_up_around_grey_and_a_rounding_error_is_not():
    image = photograph()
    (same,) = (
        value for key, value in panels(DownsizeNet(), image, (5, 7)).items() if key.startswith('difference x 1.0')
    )
    assert ((same == 127) | (same == 128)).all()
    ((caption, other),) = (
        (key, value) for key, value in panels(FixedResizer(kernel='area'), image, (5, 7)).items() if 'difference' in key
    )
    difference = FixedResizer(kernel='area')(image[None], (5, 7)) - FixedResizer()(image[None], (5, 7))
    large = np.quantile(difference.abs().numpy(), 0.99)
    assert float(caption.split()[-1]) == pytest.approx(127 / large, abs=0.06)
    assert {0, 255} & {int(other.min()), int(other.max())}


def mean_of_four() -> DownsizeNet:
    net = pointing(0)
    torch.nn.init.zeros_(net.fusion.bias)
    return net


@pytest.mark.parametrize(('net', 'share'), [(pointing(2), 0.0), (mean_of_four(), 1.0)])
def test_neighbors_that_count(net, share):
    shown = panels(net, photograph(), (5, 7))['neighbours that count, 1 to 4']
    expected = (255 * np.array(colormaps['viridis'](share)[:3])).round()
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize(('tap', 'dy', 'dx'), [(0, -0.5, -0.5), (1, -0.5, 0.5), (2, 0.5, -0.5), (3, 0.5, 0.5)])
def test_displacement_has_its_direction_as_hue(tap, dy, dx):
    # 20 -> 10 and 30 -> 15: every centre lies in the middle of its four neighbours
    net, image = pointing(tap), photograph()
    found = net.displacement(image[None], (10, 15))
    torch.testing.assert_close(found, torch.tensor([dy, dx]).view(1, 2, 1, 1).expand(1, 2, 10, 15))
    (shown,) = (value for key, value in panels(net, image, (10, 15)).items() if key == 'displacement, up to 0.71 px')
    expected = colorsys.hsv_to_rgb(np.arctan2(dy, dx) / (2 * np.pi) % 1, 1, 1)
    assert np.abs(shown.astype(float) - 255 * np.array(expected)).max() <= 1


def test_importance_is_a_map_of_the_source_on_a_logarithmic_scale():
    # Black, grey and white columns: scores of -4 tanh(1), 0 and 4 tanh(1).
    image = torch.tensor([0.0, 127.5, 255.0]).repeat_interleave(10).expand(3, 20, 30)
    shown = panels(ImportanceResizer(start='brightest'), image, (5, 6))
    ((caption, found),) = ((key, value) for key, value in shown.items() if key.startswith('importance'))
    assert caption == f'importance, {np.exp(-4 * np.tanh(1)):.2g} to {np.exp(4 * np.tanh(1)):.2g}, log scale'
    assert found.shape == (20, 30, 3)
    for column, share in ((3, 0.0), (14, 0.5), (25, 1.0)):
        expected = (255 * np.array(colormaps['viridis'](share)[:3])).round()
        assert np.abs(found[:, column] - expected).max() <= 1


def test_the_share_of_source_pixels_that_counts():
    image = torch.zeros(3, 20, 30)
    image[:, ::4, ::5] = 255.0  # one of the 4 x 5 pixels below each output pixel
    net = ImportanceResizer(start='brightest')
    shown = panels(net, image, (5, 6))['share of source pixels that counts, 0 to 1']
    weight = np.exp(8 * np.tanh(1))  # of a white pixel, in those of black ones
    share = ((weight + 19) / 20) ** 2 / ((weight**2 + 19) / 20)
    assert 0.05 < share < 0.06
    expected = (255 * np.array(colormaps['viridis'](share)[:3])).round()
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize('per_channel', [True, False])
def test_before_training_all_counts_alike(per_channel):
    shown = panels(ImportanceResizer(per_channel=per_channel), photograph(), (5, 7))
    expected = [(255 * np.array(colormaps['viridis'](shade)[:3])).round() for shade in (0.5, 1.0)]
    for caption, colour in zip(
        ('importance, 1 to 1, log scale', 'share of source pixels that counts, 0 to 1'), expected
    ):
        assert np.abs(shown[caption] - colour).max() <= 1


def test_a_resizer_without_coefficients_has_four_panels():
    assert len(panels(FixedResizer(kernel='area'), photograph(), (5, 7), 'area')) == 4


def test_the_picture_holds_all_panels():
    small = draw(FixedResizer(), photograph(), (10, 15))
    large, with_map = (draw(net, photograph(), (10, 15)) for net in (DownsizeNet(), ImportanceResizer()))
    assert with_map.shape == large.shape
    assert small.dtype == np.uint8 and small.shape[2] == 3
    assert large.shape[0] == small.shape[0] and large.shape[1] == pytest.approx(1.5 * small.shape[1], abs=2)
    assert len(np.unique(large.reshape(-1, 3), axis=0)) > 100
