"""Value ranges and colours: images that cannot be in the range are named once; a file serves images of another range too."""

import json
import warnings

import pytest
import torch

from mmdownsize.layers.downsample import ImportanceDownsample
from mmdownsize.layers.upsample import TextureUpsample
from mmdownsize.resizers import DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer, io
from mmdownsize.resizers.ranges import is_outside

SHIPPED = 'downsizenet_6x6_signed_voc2012'
BYTES = (0.0, 255.0)


def photograph(hw=(24, 30)) -> torch.Tensor:
    """Edges and noise in a smooth image, bytes as float."""
    rows, cols = (torch.linspace(0, 6, n) for n in hw)
    smooth = 80 + 70 * torch.sin(rows)[:, None] * torch.cos(cols)
    edges = 60.0 * ((rows[:, None] + cols).floor() % 2)
    return (smooth + edges + 8 * torch.randn(3, *hw)).clamp(0, 255).round()[None]


def distorted(factor, offset):
    """What mmdet's PhotoMetricDistortion makes of a float image, which nothing cuts to 0..255."""
    return lambda images: (images + offset) * factor


WRONG = {
    '0 to 1': lambda images: images / 255,
    '0 to 65535': lambda images: images * 257,
    '-1 to 1': lambda images: images / 127.5 - 1,
    'normalised': lambda images: (images - 116.28) / 57.12,
    'its mean subtracted': lambda images: images - 116.28,
}
RIGHT = {
    'as it is': lambda images: images,
    'brighter': distorted(1.5, 32),
    'darker': distorted(0.5, -32),
    'more contrast': distorted(1.5, -32),
    'sharpened': lambda images: images + 0.5 * (images - images.roll(1, -1)),
    'a night': lambda images: images // 60,
    'nearly black': lambda images: images // 200,
    'black': torch.zeros_like,
    'grey': lambda images: torch.full_like(images, 0.5),
    'bytes': lambda images: images.byte(),
    'nothing': lambda images: images[:0],
}


@pytest.mark.parametrize('kind', WRONG)
def test_a_batch_that_cannot_be_in_the_range_is_named_once_with_its_values(kind):
    images = WRONG[kind](photograph())
    net = DownsizeNet.from_pretrained(SHIPPED, frozen=True)
    low, high = (f'{float(end):g}' for end in images.aminmax())
    with pytest.warns(UserWarning, match=rf'for images of 0 to 255, and this batch has {low} to {high}') as told:
        net(images, (8, 10))
        net(images, (8, 10))
    assert len(told) == 1


def test_pixels_beside_those_that_are_looked_at_clear_a_batch():
    images = torch.rand(1, 3, 24, 30)
    images[:, :, 1::3, 1::3] = 200  # every third pixel, from the first on, is dark
    assert is_outside(images[:, :, ::3, ::3], BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        DownsizeNet()(images, (8, 10))


@pytest.mark.parametrize('kind', RIGHT)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_batch_that_may_be_in_the_range_passes_without_a_word(kind, dtype):
    images = RIGHT[kind](photograph().to(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        DownsizeNet.from_pretrained(SHIPPED, frozen=True)(images, (8, 10))


def test_one_image_of_many_is_enough_to_see_that_the_range_is_right():
    images = torch.cat([torch.rand(1, 3, 24, 30), photograph()])  # a black one with noise, and a photograph
    assert not is_outside(images, BYTES) and is_outside(images[:1], BYTES)


@pytest.mark.parametrize('kind', [DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer])
@pytest.mark.parametrize('training', [True, False])
def test_all_that_learn_look_at_their_images(kind, training):
    with pytest.warns(UserWarning, match=f'this {kind.__name__} is for images of 0 to 255'):
        kind().train(training)(photograph() / 255, (8, 10))
    with pytest.warns(UserWarning, match=r'is for images of 0 to 1, and this batch has \d+ to \d+'):
        kind(value_range=(0, 1))(photograph().byte(), (8, 10))


def test_layers_of_feature_maps_have_no_range():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for kind in (TextureUpsample, ImportanceDownsample):
            kind(in_channels=3)(100 * torch.randn(1, 3, 8, 8), (4, 4))


def test_a_recording_looks_at_nothing():
    net = DownsizeNet()
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        torch.export.export(net.eval().requires_grad_(False), (photograph() / 255, (8, 10)))


def disturbed(kind, **settings):
    net = kind(**settings)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return net.eval()


@pytest.mark.parametrize('new', [(0, 1), [-1.0, 1.0], (0.0, 65535.0)], ids=str)
@pytest.mark.parametrize(
    ('kind', 'settings'),
    [
        (DownsizeNet, dict(normalize='signed', neighbors=4)),
        (DownsizeNet, dict(normalize='sigmoid')),
        (ImportanceResizer, dict(start='darkest')),
        (ImportanceResizer, dict(around='lanczos_antialias')),
        (LearnedResizer, {}),
        (MullerResizer, {}),
    ],
)
def test_a_file_serves_another_range(kind, settings, new, tmp_path):
    path = tmp_path / 'net.safetensors'
    net = disturbed(kind, **settings)
    net.save_pretrained(path)
    other = kind.from_pretrained(path, value_range=new).eval()
    low, high = new
    images = photograph()
    expected = net(images, (8, 10)) / 255 * (high - low) + low
    found = other(images / 255 * (high - low) + low, (8, 10))
    assert (net(images, (8, 10)) - type(net)(**settings).eval()(images, (8, 10))).abs().max() > 0.1
    assert torch.allclose(found, expected, rtol=0, atol=2e-5 * (high - low))
    other.save_pretrained(path)  # and is a file of that range
    again = kind.from_pretrained(path)
    assert again.value_range == (float(low), float(high)) and again.settings()['value_range'] == again.value_range


def test_coefficients_of_any_sum_serve_ranges_with_the_same_zero_only(tmp_path):
    path = tmp_path / 'net.safetensors'
    net = disturbed(DownsizeNet, normalize='none')
    net.save_pretrained(path)
    images = photograph()
    found = DownsizeNet.from_pretrained(path, value_range=(0, 1))(images / 255, (8, 10))
    assert torch.allclose(found, net(images, (8, 10)) / 255, atol=1e-5)
    with pytest.raises(
        ValueError, match=r'value_range=\(0\.0, 255\.0\) and coefficients of any sum.*\(-1\.0, 1\.0\): leave it out'
    ):
        DownsizeNet.from_pretrained(path, value_range=(-1, 1))
    with pytest.raises(ValueError, match='value_range must be'):
        DownsizeNet.from_pretrained(path, value_range=(1, 0))


def test_a_file_keeps_its_order_of_colours(tmp_path):
    path, copy = tmp_path / 'net.safetensors', tmp_path / 'copy.safetensors'
    DownsizeNet().save_pretrained(path, color_order='RGB')
    net = DownsizeNet.from_pretrained(path)
    assert net.color_order == io.load(path).color_order == 'RGB'
    net.save_pretrained(copy)
    assert io.load(copy).color_order == 'RGB'
    net.load_state_dict(DownsizeNet().state_dict())  # of another training, which says nothing
    assert net.color_order is None
    DownsizeNet().save_pretrained(path)
    assert DownsizeNet.from_pretrained(path).color_order is None  # as files of earlier versions
    with pytest.raises(ValueError, match="unknown color_order 'bgr', choose one of BGR, RGB"):
        DownsizeNet().save_pretrained(path, color_order='bgr')


@pytest.mark.parametrize('name', io.list_pretrained())
def test_every_file_of_the_package_names_its_colours_and_its_range(name):
    saved = io.load(name)
    assert saved.color_order in io.COLOR_ORDERS
    low, high = saved.arguments['value_range']
    assert low < high and json.dumps(saved.arguments)
