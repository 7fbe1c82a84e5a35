"""Weighted RoI align against mmcv's at the start, and against a loop in float64 afterwards."""

import numpy as np
import pytest
import torch
from mmcv.ops import RoIAlign
from mmengine.model import BaseModule
from torch import nn

from mmdownsize.layers.roi_align import TextureRoIAlign
from tests.layers.test_upsample import disturbed
from tests.references.roi_align import roi_align as reference
from tests.references.rois import ROIS, feats


def layer(**kwargs):
    return TextureRoIAlign(**{'in_channels': 3, 'output_size': 3, 'spatial_scale': 1 / 8, **kwargs})


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize(('size', 'samples', 'scale'), [(7, 2, 1 / 8), ((2, 5), 3, 1 / 4), (1, 1, 1 / 16), (3, 4, 1.0)])
def test_the_start_and_its_gradient_are_mmcvs(size, samples, scale, dtype, tolerance):
    x, rois = feats(dtype=dtype).requires_grad_(), ROIS.to(dtype)
    ours = layer(output_size=size, sampling_ratio=samples, spatial_scale=scale).to(dtype)(x, rois)
    theirs = RoIAlign(size, scale, sampling_ratio=samples)(x, rois)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    weights = torch.randn_like(theirs)
    found, expected = (torch.autograd.grad((out * weights).sum(), x)[0] for out in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert found.abs().sum() > 0


@pytest.mark.parametrize(('size', 'samples', 'convs'), [(2, 2, 2), ((1, 3), 3, 1), (3, 1, 3)])
def test_a_trained_one_is_the_loop(size, samples, convs):
    net = disturbed(layer(output_size=size, sampling_ratio=samples, num_convs=convs, channels=4)).double()
    x = feats()
    out = net(x, ROIS).detach()
    expected = reference(
        x.numpy(),
        ROIS.numpy(),
        net.output_size,
        1 / 8,
        samples,
        convs=[(c.weight.detach().numpy(), c.bias.detach().numpy()) for c in net.texture],
        weight=net.fusion.weight.detach().flatten(1).numpy(),
        bias=net.fusion.bias.detach().numpy(),
        place=net.place.detach().numpy(),
    )
    np.testing.assert_allclose(out.numpy(), expected, rtol=0, atol=1e-12)
    stock = RoIAlign(net.output_size, 1 / 8, sampling_ratio=samples)(x, ROIS)
    assert (out - stock).abs().max() > 0.05


def test_it_passes_the_gradient_check(monkeypatch):
    monkeypatch.setattr('mmdownsize.ops.coefficients.LEAK', 0.0)  # it is meant to differ from the derivative
    net = disturbed(layer(in_channels=2, channels=2, output_size=2)).double()
    names, values = zip(*net.named_parameters())

    def call(x, *values):
        return torch.func.functional_call(net, dict(zip(names, values)), (x, ROIS))

    assert torch.autograd.gradcheck(call, (feats(2).requires_grad_(), *values))


def test_texture_moves_weight_between_the_samples_of_a_bin():
    """Read off: a texture of ones where the map is above 0.5 makes such samples count e^4 times as much."""
    net = layer(in_channels=1, output_size=1, spatial_scale=1.0, num_convs=1, channels=1)
    with torch.no_grad():
        net.texture[0].weight.zero_()
        net.texture[0].weight[0, 0, 1, 1] = 1.0
        net.fusion.weight[4, 0] = 4.0
    x = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).view(1, 1, 2, 2)
    out = net(x, torch.tensor([[0.0, 0, 0, 2, 2]]))  # its four samples hit the four pixels
    assert out.item() == pytest.approx(np.exp(4) / (np.exp(4) + 3))


def test_maps_may_lie_in_memory_in_any_way_and_features_are_contiguous():
    net, x = disturbed(layer()).double(), feats()
    plain = net(x, ROIS)
    wide = torch.randn(2, 6, 6, 14, dtype=torch.float64)
    wide[:, ::2, :, ::2] = x
    for same in (x.contiguous(memory_format=torch.channels_last), wide[:, ::2, :, ::2]):
        out = net(same, ROIS)
        assert out.is_contiguous()
        torch.testing.assert_close(out, plain)


def test_no_rois_keep_the_graph_whole():
    net, x = layer(), feats(dtype=torch.float32).requires_grad_()
    out = net(x, torch.zeros(0, 5))
    assert out.shape == (0, 3, 3, 3)
    out.sum().backward()
    assert all(t.grad is not None and not t.grad.any() for t in (x, *net.parameters()))


def test_every_parameter_learns_from_the_second_step_on():
    net, x, weights = layer(), feats(dtype=torch.float32), torch.randn(6, 3, 3, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (net(x, ROIS.float()) * weights).sum().backward()
        optimizer.step()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


def test_inputs_are_not_changed_and_rois_get_no_gradient():
    net, x, rois = disturbed(layer()).double(), feats(), ROIS.clone().requires_grad_()
    kept = x.clone()
    assert net(x.requires_grad_(), rois).requires_grad
    (gradient,) = torch.autograd.grad(net(x, rois).sum(), rois, allow_unused=True)
    assert gradient is None and torch.equal(x, kept) and torch.equal(rois, ROIS)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_maps_keep_their_type(dtype):
    x = feats(dtype=dtype)
    out = layer()(x, ROIS.float())
    assert out.dtype == dtype
    expected = RoIAlign(3, 1 / 8, sampling_ratio=2)(x.float(), ROIS.float())
    torch.testing.assert_close(out, expected.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


def test_under_autocast_only_the_texture_is_in_half_precision():
    net, x = disturbed(layer()), feats(dtype=torch.float32)
    plain = net(x, ROIS.float())
    with torch.autocast('cpu', torch.bfloat16):
        out = net(x, ROIS.float())
    assert out.dtype == torch.float32
    assert 0 < (out - plain).abs().max() < 0.1


def test_an_init_cfg_of_the_model_around_leaves_the_start_as_it_is():
    class Around(BaseModule):
        def __init__(self):
            super().__init__(init_cfg=dict(type='Constant', layer='Conv2d', val=3.0))
            self.roi_layers = nn.ModuleList([layer()])

    model = Around()
    model.init_weights()
    assert not model.roi_layers[0].fusion.weight.any() and model.roi_layers[0].texture[0].weight.std() > 0


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(output_size=0), 'output_size must be a side or .* got 0'),
        (dict(output_size=(3, 0)), r'got \(3, 0\)'),
        (dict(sampling_ratio=0), 'sampling_ratio must be at least 1, got 0: .* 2 is usual'),
        (dict(in_channels=0), 'got 0, 2 and 16'),
        (dict(num_convs=0), 'got 3, 0 and 16'),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        layer(**kwargs)


@pytest.mark.parametrize(
    ('shape', 'rois', 'message'),
    [
        ((1, 4, 5, 5), (1, 5), r'feats must be \(B, 3, H, W\), got \(1, 4, 5, 5\)'),
        ((3, 5, 5), (1, 5), r'got \(3, 5, 5\)'),
        ((1, 3, 5, 5), (1, 4), r'rois must be \(R, 5\).*got \(1, 4\)'),
    ],
)
def test_bad_shapes_are_named(shape, rois, message):
    with pytest.raises(ValueError, match=message):
        layer()(torch.zeros(shape), torch.zeros(rois))
