"""Importance pooling against average pooling at the start, against the pixel-by-pixel reference afterwards, and in mmengine."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmdownsize.layers.downsample import ImportanceDownsample
from mmdownsize.ops import bands
from mmdownsize.resizers import FixedResizer
from tests.references import importance as reference


def layer(**kwargs):
    return ImportanceDownsample(**{'in_channels': 5, **kwargs})


def disturbed(net):
    """Trained, that is: no parameter is at its start."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return net


@pytest.mark.parametrize('per_channel', [True, False])
@pytest.mark.parametrize('stride', [(1, 1), (2, 2), (3, 2), (4, 8)])
def test_the_start_is_average_pooling(stride, per_channel):
    maps = torch.randn(2, 5, 4 * stride[0], 3 * stride[1]) * 100
    out = layer(scale_factor=[1 / s for s in stride], per_channel=per_channel)(maps)
    torch.testing.assert_close(out, F.avg_pool2d(maps, stride), rtol=0, atol=1e-4)
    torch.testing.assert_close(layer(size=1)(maps), F.adaptive_avg_pool2d(maps, 1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((13, 25), (6, 11)), ((20, 9), (3, 4)), ((5, 4), (9, 7))])
def test_the_start_is_the_area_kernel_at_any_ratio(src_hw, dst_hw):
    maps = torch.randn(2, 5, *src_hw)
    expected = FixedResizer(kernel='area')(maps, dst_hw)
    torch.testing.assert_close(layer()(maps, dst_hw), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('channels', [1, 3, 40])
@pytest.mark.parametrize('per_channel', [True, False])
def test_a_trained_layer_is_the_slow_one(channels, per_channel):
    net = disturbed(layer(in_channels=channels, channels=4, num_convs=2, per_channel=per_channel)).double()
    maps = torch.randn(1, channels, 5, 6, dtype=torch.float64)
    weights = reference.importance_map(
        maps[0].numpy(),
        convs=[(c.weight.detach().numpy(), c.bias.detach().numpy()) for c in net.texture],
        dilations=(1, 1),
        to_score=net.score.weight.detach().flatten(1).numpy(),
        tone=net.tone.detach().numpy(),
        limit=4.0,
        value_range=(-1.0, 1.0),
    )
    expected = reference.weighted_resize(maps[0].numpy(), weights, (2, 3), 'area')
    out = net(maps, (2, 3)).detach()
    np.testing.assert_allclose(out[0].numpy(), expected, rtol=0, atol=1e-12)
    assert (out - FixedResizer(kernel='area')(maps, (2, 3))).abs().max() > 0.05


@pytest.mark.parametrize('size', [0.3, 1e4])
def test_a_channel_stays_inside_its_range(size):
    net, maps = layer(scale_factor=0.5), torch.randn(2, 5, 12, 14)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(size * torch.randn_like(parameter))
        out = net(maps)
    assert (out <= F.max_pool2d(maps, 2) + 1e-5).all()
    assert (out >= -F.max_pool2d(-maps, 2) - 1e-5).all()


def test_bands_of_wide_maps_are_the_whole_map(monkeypatch):
    net, maps = disturbed(layer(in_channels=70)).double(), torch.randn(2, 70, 21, 9, dtype=torch.float64)
    found = []
    for size, backend in ((1, 'banded'), (2**30, 'dense')):
        monkeypatch.setattr(bands, 'BAND_BYTES', size)
        net.backend = backend
        out = net(maps.requires_grad_(), (5, 4))
        found.append([out, *torch.autograd.grad(out.square().sum(), [maps, *net.parameters()])])
    for ours, expected in zip(*found):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


def test_bands_count_the_channels_of_the_maps(monkeypatch):
    """A band of 16 features may be many times as large in maps of many channels."""
    monkeypatch.setattr(bands, 'BAND_BYTES', 2**16)
    seen = []
    cut = bands.cut
    monkeypatch.setattr('mmdownsize.ops.importance.cut', lambda *args: seen.append(args[-1]) or cut(*args))
    layer(in_channels=64, backend='banded')(torch.randn(1, 64, 40, 10), (20, 5))
    layer(in_channels=2, backend='banded')(torch.randn(1, 2, 40, 10), (20, 5))
    assert seen == [10 * 64 * 4, 10 * 16 * 4]


def test_gradients_of_maps_and_parameters():
    net = disturbed(layer(in_channels=2, channels=2)).double()
    maps = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    names, values = zip(*net.named_parameters())

    def call(maps, *values):
        return torch.func.functional_call(net, dict(zip(names, values)), (maps, (2, 3)))

    assert torch.autograd.gradcheck(call, (maps, *values))


def test_every_parameter_learns_from_the_second_step_on():
    net = layer(scale_factor=0.5)
    maps, target = torch.randn(2, 5, 16, 16), torch.randn(2, 5, 8, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.mse_loss(net(maps), target).backward()
        optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_max_pooling_is_learned():
    """From the mean to the largest of each block, in one channel that says which position counts."""
    maps = torch.rand(8, 1, 16, 16)
    net = layer(in_channels=1, scale_factor=0.5, limit=10)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(120):
        losses.append(F.mse_loss(net(maps), F.max_pool2d(maps, 2)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 30


@pytest.mark.parametrize(
    ('kwargs', 'hw'),
    [
        (dict(scale_factor=0.5), (3, 4)),
        (dict(scale_factor=(1.5, 0.5)), (10, 4)),
        (dict(size=5), (5, 5)),
        (dict(size=(3, 11)), (3, 11)),
    ],
)
def test_the_target_is_nn_upsamples(kwargs, hw):
    maps = torch.randn(1, 5, 7, 9)
    assert layer(**kwargs)(maps).shape[-2:] == hw == nn.Upsample(mode='bilinear', **kwargs)(maps).shape[-2:]
    assert layer(**kwargs)(maps, (4, 4)).shape[-2:] == (4, 4)


@pytest.mark.parametrize(
    ('kwargs', 'error', 'message'),
    [
        (dict(scale_factor=0), ValueError, r'scale_factor must be a number above 0 or a pair \(h, w\) of them, got 0'),
        (dict(scale_factor=2, size=8), ValueError, 'scale_factor or size, not both: got 2 and 8'),
        (dict(in_channels=0), ValueError, 'in_channels must be a whole number, at least 1, got 0'),
        (dict(kernel='lanczos'), ValueError, "kernel='lanczos' has negative weights"),
        (dict(neighbors=4), TypeError, 'neighbors'),
    ],
)
def test_bad_arguments_are_named(kwargs, error, message):
    with pytest.raises(error, match=message):
        layer(**kwargs)


@pytest.mark.parametrize(
    ('kwargs', 'shape', 'message'),
    [
        (dict(), (1, 5, 4, 4), r'no target size: call the layer as layer\(maps, \(h, w\)\)'),
        (dict(scale_factor=0.2), (1, 5, 4, 4), r'two integers of at least 1, got \(0, 0\)'),
        (dict(scale_factor=0.5), (1, 4, 4, 4), r'must have 5 channels, got \(1, 4, 4, 4\)'),
    ],
)
def test_bad_maps_are_named(kwargs, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(**kwargs)(torch.randn(shape))


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmengine', None])
def test_mmengine_builds_it_in_every_scope(scope):
    if scope in ('mmdet', 'mmseg'):
        pytest.importorskip(scope)
    with DefaultScope.overwrite_default_scope(scope):
        built = MODELS.build(dict(type='mmdownsize.ImportanceDownsample', in_channels=7, scale_factor=0.5))
    assert type(built) is ImportanceDownsample
    assert built(torch.randn(1, 7, 6, 8)).shape == (1, 7, 3, 4)
    assert 'in_channels=7, scale_factor=(0.5, 0.5)' in repr(built)


def test_an_init_cfg_of_the_model_around_leaves_the_start_as_it_is():
    class Around(BaseModule):
        def __init__(self):
            super().__init__(init_cfg=dict(type='Constant', layer='Conv2d', val=3.0))
            self.conv = nn.Conv2d(5, 5, 1)
            self.deep = nn.Sequential(layer(scale_factor=0.5))

    model, maps = Around(), torch.randn(1, 5, 8, 8)
    model.init_weights()
    assert (model.conv.weight == 3).all()
    torch.testing.assert_close(model.deep(maps), F.avg_pool2d(maps, 2))
    assert not model.deep[0].score.weight.any() and model.deep[0].texture[0].weight.std() > 0


def test_under_autocast_only_the_texture_is_in_half_precision():
    net, maps = disturbed(layer(scale_factor=0.5)), torch.randn(1, 5, 12, 14)
    plain = net(maps)
    with torch.autocast('cpu', torch.bfloat16):
        out = net(maps)
    assert out.dtype == torch.float32
    assert 0 < (out - plain).abs().max() < 0.1
    assert net(maps.bfloat16()).dtype == torch.bfloat16


def test_the_result_is_contiguous_however_the_maps_lie_in_memory():
    net, maps = disturbed(layer(scale_factor=0.5)), torch.randn(2, 5, 12, 14)
    for lies in (
        maps,
        maps.contiguous(memory_format=torch.channels_last),
        maps.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        for backend in ('auto', 'banded'):
            net.backend = backend
            out = net(lies)
            assert out.is_contiguous()
            torch.testing.assert_close(out, net(maps))
