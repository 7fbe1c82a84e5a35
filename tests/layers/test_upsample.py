"""The layer against PyTorch's at the start, against the pixel-by-pixel reference afterwards, and as mmcv and mmengine use it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_upsample_layer
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import nn

from mmdownsize.layers.upsample import TextureUpsample
from tests.references import downsize_net as reference

SIZES = [
    ((6, 7), (12, 14)),
    ((7, 13), (13, 25)),
    ((25, 5), (50, 16)),
    ((3, 39), (41, 33)),
    ((4, 4), (4, 4)),
    ((1, 1), (3, 5)),
]
STOCK = {'bilinear': dict(mode='bilinear', align_corners=False), 'nearest': dict(mode='nearest')}


def layer(**kwargs):
    return TextureUpsample(**{'in_channels': 5, **kwargs})


def disturbed(net):
    """Trained, that is: no parameter is at its start."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return net


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [size for size in SIZES if size[0][1] <= size[1][1]])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('start', ['bilinear', 'nearest'])
def test_the_start_is_pytorchs_own_layer(start, dtype, src_hw, dst_hw):
    maps = torch.randn(2, 5, *src_hw, dtype=dtype) * 100
    out = layer(start=start).to(dtype)(maps, dst_hw)
    expected = F.interpolate(maps, size=dst_hw, **STOCK[start])
    if start == 'nearest':
        assert torch.equal(out, expected)
    else:
        # In float32 PyTorch rounds the coordinates as well.
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-3 if dtype == torch.float32 else 1e-11)


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((14, 12), (7, 6)), ((13, 25), (6, 11)), ((20, 9), (3, 4))])
def test_the_bilinear_start_holds_downwards_too(src_hw, dst_hw):
    maps = torch.randn(2, 5, *src_hw)
    torch.testing.assert_close(
        layer()(maps, dst_hw), F.interpolate(maps, size=dst_hw, **STOCK['bilinear']), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize('src', range(1, 60, 2))
def test_the_nearest_start_takes_pytorchs_pixel_at_every_ratio(src):
    """Which is not floor(o * src / dst) everywhere: PyTorch rounds in float32."""
    net, maps = (
        layer(in_channels=1, channels=1, num_convs=1, start='nearest'),
        torch.arange(src).float().view(1, 1, 1, -1),
    )
    for dst in range(src, 260, 9):
        assert torch.equal(net(maps, (1, dst)), F.interpolate(maps, size=(1, dst), mode='nearest')), dst


def test_there_is_a_ratio_at_which_pytorch_rounds_an_exact_hit_down():
    maps = torch.arange(2).float().view(1, 1, 1, -1)
    assert maps[0, 0, 0, 41 * 2 // 82] == 1 and F.interpolate(maps, size=(1, 82))[0, 0, 0, 41] == 0
    assert layer(in_channels=1, start='nearest')(maps, (1, 82))[0, 0, 0, 41] == 0


def test_the_nearest_start_says_when_its_pixel_is_not_among_the_neighbours():
    maps = torch.randn(1, 5, 20, 12)
    with pytest.raises(ValueError, match=r'outside the 2 neighbours at 20 -> 4 px: set neighbors=4 or more'):
        layer(start='nearest')(maps, (4, 12))
    out = layer(start='nearest', neighbors=6)(maps, (4, 12))
    assert torch.equal(out, F.interpolate(maps, size=(4, 12), mode='nearest'))


@pytest.mark.parametrize('channels', [1, 3, 40])
@pytest.mark.parametrize('start', ['bilinear', 'nearest'])
@pytest.mark.parametrize('counts', [2, 4])
def test_a_trained_layer_is_the_slow_one(channels, start, counts):
    net = disturbed(layer(in_channels=channels, start=start, neighbors=counts, channels=6)).double()
    maps = torch.randn(1, channels, 5, 6, dtype=torch.float64)
    expected, _ = reference.downsize_net(
        maps[0].numpy(),
        (10, 12),  # at twice the size the nearest corner is the nearest centre
        convs=[(c.weight.detach().numpy(), c.bias.detach().numpy()) for c in net.texture],
        fusion_weight=net.fusion.weight.detach().flatten(1).numpy(),
        fusion_bias=net.fusion.bias.detach().numpy(),
        counts=(counts, counts),
        slots=counts,
        distance='bilinear',
        normalize='softmax',
        start=start,
        value_range=(-1.0, 1.0),
    )
    out = net(maps, (10, 12)).detach()
    np.testing.assert_allclose(out[0].numpy(), expected, rtol=0, atol=1e-12)
    stock = F.interpolate(maps, size=(10, 12), **STOCK[start])
    assert (out - stock).abs().max() > 0.05


@pytest.mark.parametrize('start', ['bilinear', 'nearest'])
def test_gradients_of_maps_and_parameters(start, monkeypatch):
    monkeypatch.setattr('mmdownsize.ops.coefficients.LEAK', 0.0)  # it is meant to differ from the derivative
    net = disturbed(layer(in_channels=2, channels=2, start=start)).double()
    maps = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    names, values = zip(*net.named_parameters())

    def call(maps, *values):
        return torch.func.functional_call(net, dict(zip(names, values)), (maps, (5, 6)))

    assert torch.autograd.gradcheck(call, (maps, *values))


@pytest.mark.parametrize('start', ['bilinear', 'nearest'])
def test_every_parameter_learns_from_the_second_step_on(start):
    net = layer(start=start)
    maps = torch.randn(2, 5, 8, 8)
    target = torch.randn(2, 5, 16, 16)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.mse_loss(net(maps, (16, 16)), target).backward()
        optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


@pytest.mark.parametrize(
    ('kwargs', 'hw'),
    [
        (dict(scale_factor=2), (14, 18)),
        (dict(scale_factor=(1.5, 0.5)), (10, 4)),
        (dict(size=5), (5, 5)),
        (dict(size=(3, 11)), (3, 11)),
    ],
)
def test_the_target_is_nn_upsamples(kwargs, hw):
    maps = torch.randn(1, 5, 7, 9)
    out = layer(**kwargs)(maps)
    assert out.shape[-2:] == hw == nn.Upsample(mode='bilinear', **kwargs)(maps).shape[-2:]
    assert layer(**kwargs)(maps, (4, 4)).shape[-2:] == (4, 4)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(scale_factor=0), r'scale_factor must be a number above 0 or a pair \(h, w\) of them, got 0'),
        (dict(scale_factor=(2, 2, 2)), r'got \(2, 2, 2\)'),
        (dict(scale_factor='2'), "got '2'"),
        (dict(size=(8, float('inf'))), r'size must be .* got \(8, inf\)'),
        (dict(scale_factor=2, size=8), 'scale_factor or size, not both: got 2 and 8'),
        (dict(in_channels=0), 'in_channels must be a whole number, at least 1, got 0'),
        (dict(backend='native'), "unknown backend 'native', choose one of auto, dense"),
        (dict(start='cubic'), "unknown start 'cubic'"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        layer(**kwargs)


@pytest.mark.parametrize(
    ('net', 'shape', 'message'),
    [
        (dict(), (1, 5, 4, 4), r'no target size: call the layer as layer\(maps, \(h, w\)\)'),
        (dict(scale_factor=0.2), (1, 5, 4, 4), r'two integers of at least 1, got \(0, 0\)'),
        (dict(scale_factor=2), (1, 4, 4, 4), r'must have 5 channels, got \(1, 4, 4, 4\)'),
        (dict(scale_factor=2), (5, 4, 4), r'got \(5, 4, 4\)'),
    ],
)
def test_bad_maps_are_named(net, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(**net)(torch.randn(shape))


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmengine', None])
def test_mmcv_builds_it_in_every_scope(scope):
    if scope in ('mmdet', 'mmseg'):
        pytest.importorskip(scope)
    with DefaultScope.overwrite_default_scope(scope):
        built = build_upsample_layer(dict(type='mmdownsize.TextureUpsample', in_channels=7, scale_factor=2))
    assert type(built) is TextureUpsample
    assert built(torch.randn(1, 7, 3, 4)).shape == (1, 7, 6, 8)


def test_an_init_cfg_of_the_model_around_leaves_the_start_as_it_is():
    class Around(BaseModule):
        def __init__(self):
            super().__init__(init_cfg=dict(type='Constant', layer='Conv2d', val=3.0))
            self.conv = nn.Conv2d(5, 5, 1)
            self.deep = nn.Sequential(layer(scale_factor=2))

    model, maps = Around(), torch.randn(1, 5, 4, 4)
    model.init_weights()
    assert (model.conv.weight == 3).all()
    torch.testing.assert_close(model.deep(maps), F.interpolate(maps, scale_factor=2, **STOCK['bilinear']))
    assert not model.deep[0].fusion.weight.any() and model.deep[0].texture[0].weight.std() > 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_maps_keep_their_type(dtype):
    maps = torch.randn(1, 5, 6, 7).to(dtype)
    out = layer(scale_factor=2)(maps)
    assert out.dtype == dtype
    expected = F.interpolate(maps.float(), scale_factor=2, **STOCK['bilinear']).to(dtype)
    torch.testing.assert_close(out, expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


def test_under_autocast_only_the_texture_is_in_half_precision():
    net, maps = disturbed(layer(scale_factor=2)), torch.randn(1, 5, 6, 7)
    plain = net(maps)
    with torch.autocast('cpu', torch.bfloat16):
        out = net(maps)
    assert out.dtype == torch.float32
    assert 0 < (out - plain).abs().max() < 0.1


def test_the_result_is_contiguous_however_the_maps_lie_in_memory():
    net, maps = disturbed(layer(scale_factor=2)), torch.randn(2, 5, 6, 7)
    for lies in (
        maps,
        maps.contiguous(memory_format=torch.channels_last),
        maps.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        out = net(lies)
        assert out.is_contiguous()
        torch.testing.assert_close(out, net(maps))


def test_plain_operators_give_the_same_and_gradients_of_gradients(monkeypatch):
    monkeypatch.setattr('mmdownsize.ops.coefficients.LEAK', 0.0)
    net = disturbed(layer(in_channels=2, channels=2, num_convs=1, backend='dense')).double()
    maps = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    auto = layer(in_channels=2, channels=2, num_convs=1).double()
    auto.load_state_dict(net.state_dict())
    torch.testing.assert_close(net(maps, (5, 4)), auto(maps, (5, 4)))
    assert torch.autograd.gradgradcheck(lambda x: net(x, (5, 4)), (maps,))
