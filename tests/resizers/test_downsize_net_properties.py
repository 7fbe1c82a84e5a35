"""What holds for DownsizeNet whatever its weights are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.ops import interpolate, neighbor_indices
from mmdownsize.resizers import DownsizeNet, phases
from tests.references.resampling import neighborhood_range
from tests.references.sizes import auto_count

lengths = st.integers(1, 25) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
NORMALIZED = ('softmax', 'sigmoid')
DISTANCES = ('offset', 'bilinear', 'bicubic', 'area', 'triangle')

pytestmark = pytest.mark.filterwarnings('ignore:start=.* reaches over')


def images(src_hw, n=2, seed=0):
    return 255 * torch.rand(n, 3, *src_hw, generator=torch.Generator().manual_seed(seed))


def disturbed(net, size, shift=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
        net.fusion.bias.add_(shift)
    return net


@st.composite
def nets(draw, size=None):
    net = DownsizeNet(
        num_convs=draw(st.integers(1, 2)),
        channels=4,
        neighbors=draw(st.sampled_from([2, 4, 'auto'])),
        distance=draw(st.sampled_from(DISTANCES)),
        normalize=draw(st.sampled_from(NORMALIZED)),
        start=draw(st.sampled_from(['random', 'nearest', 'bilinear', 'triangle', 'area'])),
    )
    size = draw(st.sampled_from([0.1, 1.0, 100.0, 1e6])) if size is None else size
    shift = draw(st.sampled_from([0.0, -15.0, -100.0, 100.0]))
    return disturbed(net, size, shift, draw(st.integers(0, 1000)))


@settings(max_examples=80)
@given(nets(), sizes, sizes)
def test_output_is_in_the_range_of_the_neighbors_for_any_weights(net, src_hw, dst_hw):
    source = images(src_hw)
    with torch.no_grad():
        out, coefficients = net(source, dst_hw), net.coefficients(source, dst_hw)
    counts = [net.neighbors if net.neighbors != 'auto' else auto_count(s, d, net.start) for s, d in zip(src_hw, dst_hw)]
    assert coefficients.shape == (2, counts[0] * counts[1], *dst_hw)
    assert coefficients.dtype == torch.float32
    assert (coefficients >= 0).all()
    torch.testing.assert_close(coefficients.sum(1), torch.ones(2, *dst_hw), rtol=0, atol=1e-5)
    low, high = neighborhood_range(source.numpy(), dst_hw, counts)
    assert (out >= torch.from_numpy(low) - 0.01).all()
    assert (out <= torch.from_numpy(high) + 0.01).all()


@settings(max_examples=40)
@given(nets(size=0.3), sizes, sizes)
def test_normalizing_commutes_with_resizing(net, src_hw, dst_hw):
    source = images(src_hw)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)
    count_y, count_x = (
        net.neighbors if net.neighbors != 'auto' else auto_count(s, d, net.start) for s, d in zip(src_hw, dst_hw)
    )
    rows, cols = neighbor_indices(src_hw[0], dst_hw[0], count_y), neighbor_indices(src_hw[1], dst_hw[1], count_x)
    with torch.no_grad():
        coefficients = net.coefficients(source, dst_hw)
        after = (net(source, dst_hw) - mean) / std
    before = interpolate((source - mean) / std, coefficients, rows, cols)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-4)


@settings(max_examples=40)
@given(nets(size=0.3), sizes, st.floats(-50, 300), st.floats(0.1, 3))
def test_colors_share_their_coefficients(net, src_hw, offset, factor):
    """What the texture sees left out, the output is linear and the same function of every channel."""
    torch.nn.init.zeros_(net.texture[0].weight)
    source = images(src_hw)
    with torch.no_grad():
        out = net(source, (5, 4))
        mixed = net(source[:, [2, 0, 1]] * factor + offset, (5, 4))
    torch.testing.assert_close(mixed, out[:, [2, 0, 1]] * factor + offset, rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize('normalize', NORMALIZED)
@pytest.mark.parametrize('start', ['random', 'nearest', 'bilinear', 'triangle', 'area'])
def test_constant_images_stay_constant(start, normalize):
    net = disturbed(DownsizeNet(start=start, normalize=normalize, neighbors=4), 1.0)
    for value in (0.0, 13.0, 255.0):
        out = net(torch.full((1, 3, 21, 19), value), (8, 7))
        torch.testing.assert_close(out, torch.full_like(out, value), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize('texture', [True, False])
def test_only_texture_makes_coefficients_depend_on_the_image(texture):
    net = disturbed(DownsizeNet(texture=texture), 0.3)
    first, second = net.coefficients(images((14, 11)), (5, 4))
    assert torch.equal(first, second) != texture
    assert torch.equal(net.coefficients(images((14, 11), seed=1), (5, 4))[0], first) != texture


def test_without_distance_coefficients_depend_on_the_image_alone():
    net = disturbed(DownsizeNet(distance=None, start='random'), 0.3)
    flat = torch.full((1, 3, 20, 20), 99.0)
    coefficients = net.coefficients(flat, (7, 9))[
        ..., 1:-1, 1:-1
    ]  # away from the zeros that the convolutions see outside
    torch.testing.assert_close(coefficients, coefficients[..., :1, :1].expand_as(coefficients))


def test_texture_reaches_as_far_as_its_convolutions():
    for num_convs in (1, 2, 3, 4):
        net = disturbed(DownsizeNet(num_convs=num_convs, start='random', channels=8), 0.5)
        source = images((31, 31), 1).double().requires_grad_()
        coefficients = net.double().coefficients(source, (1, 1))  # one output pixel, at (15, 15)
        (gradient,) = torch.autograd.grad(coefficients[0, 0, 0, 0], source)
        touched = gradient[0].abs().sum(0).nonzero()
        assert touched.amin(0).tolist() == [15 - num_convs] * 2
        assert touched.amax(0).tolist() == [15 + num_convs] * 2


@pytest.mark.parametrize('order', ['inference first', 'training first'])
def test_inference_mode_and_training_share_sizes(order):
    phases._kept.cache_clear()
    net = DownsizeNet()
    source = images((14, 11))
    for inference in (order == 'inference first', order != 'inference first'):
        if inference:
            with torch.inference_mode():
                net(source, (5, 4))
        else:
            net(source, (5, 4)).sum().backward()
    before = net.fusion.weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    net(source, (5, 4)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(net.fusion.weight, before)
    with torch.no_grad():
        expected = net(source, (5, 4))
    with torch.inference_mode():
        assert torch.equal(net(source, (5, 4)), expected)


def test_first_use_under_autocast_or_half_does_not_coarsen_later_ones():
    source = images((14, 11))
    net = disturbed(DownsizeNet(neighbors='auto', distance='triangle'), 0.3)
    phases._kept.cache_clear()
    expected = net(source, (5, 4))
    phases._kept.cache_clear()
    with torch.autocast('cpu', torch.bfloat16):
        net(source, (5, 4))
    net.bfloat16()(source, (5, 4))
    net = disturbed(DownsizeNet(neighbors='auto', distance='triangle'), 0.3)
    torch.manual_seed(0)
    again = DownsizeNet(neighbors='auto', distance='triangle')
    again.load_state_dict(net.state_dict())
    spec = phases.PhaseSpec('bilinear', 'triangle', 'auto', 4, (14, 11), (5, 4))
    made = phases.phases_of(spec, torch.device('cpu'), torch.float32)
    assert (
        made.distances_y.dtype
        == made.distances_x.dtype
        == made.around.weights_y.dtype
        == made.around.weights_x.dtype
        == torch.float32
    )
    torch.testing.assert_close(again(source, (5, 4)), net(source, (5, 4)))
    assert expected.dtype == torch.float32


def test_train_step_under_autocast():
    net = disturbed(DownsizeNet(), 0.1)
    source = images((14, 11))
    with torch.autocast('cpu', torch.bfloat16):
        out = net(source, (5, 4))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, net(source, (5, 4)), rtol=0, atol=4.0)  # features have 8 bits
    out.square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


def test_other_sizes_between_do_not_matter():
    net = disturbed(DownsizeNet(), 0.3)
    source = images((14, 11))
    expected = net(source, (5, 4))
    for dst_hw in ((4, 5), (5, 5), (28, 22)):
        net(source, dst_hw)
        net(images((11, 14)), dst_hw)
    assert torch.equal(net(source, (5, 4)), expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_coefficients_are_float32_for_modules_of_any_lower_precision(dtype):
    net = disturbed(DownsizeNet(), 0.3).to(dtype)
    coefficients = net.coefficients(images((14, 11)), (5, 4))
    assert coefficients.dtype == torch.float32
    torch.testing.assert_close(coefficients.sum(1), torch.ones(2, 5, 4), rtol=0, atol=1e-6)
