"""Before training DownsizeNet is a fixed kernel, exactly, and can leave it."""

import warnings

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.ops import KERNELS
from mmdownsize.resizers import DownsizeNet
from tests.references import resampling

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
normalizations = st.sampled_from(['softmax', 'sigmoid', 'signed', 'none'])
distances = st.sampled_from(['offset', 'bilinear', 'bicubic', 'area', 'triangle'])
NORMALIZED = ('softmax', 'sigmoid')

ignore_cut = pytest.mark.filterwarnings('ignore:start=.* reaches over')


def images(src_hw, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1000 * src_hw[0] + src_hw[1])
    return (255 * torch.rand(1, 3, *src_hw, dtype=torch.float64, generator=generator)).to(dtype)


def cv2_resize(source, dst_hw, mode):
    """(1, 3, H, W) -> (1, 3, h, w) through cv2's (H, W, 3)."""
    array = source[0].permute(1, 2, 0).contiguous().numpy()
    out = cv2.resize(array, dst_hw[::-1], interpolation=mode).reshape(*dst_hw, 3)
    return torch.from_numpy(out).permute(2, 0, 1)[None]


def start_of(source, dst_hw, **arguments):
    net = DownsizeNet(**{'num_convs': 1, **arguments}).to(source.dtype)
    with torch.no_grad():
        return net(source, dst_hw)


@settings(max_examples=40)
@given(sizes, sizes, normalizations, distances)
def test_bilinear_start_equals_cv2(src_hw, dst_hw, normalize, distance):
    source = images(src_hw)
    arguments = {'start': 'bilinear', 'normalize': normalize, 'distance': distance}
    # The same float image. cv2 rounds coordinates to float32, up to 2e-6 px here; a slope is up to 255 a px and axis.
    out = start_of(source, dst_hw, **arguments)
    torch.testing.assert_close(out, cv2_resize(source, dst_hw, cv2.INTER_LINEAR), rtol=0, atol=2e-3)
    # In the range 0..1 that is far within 0.001.
    unit = source / 255
    out = start_of(unit, dst_hw, value_range=(0, 1), **arguments)
    torch.testing.assert_close(out, cv2_resize(unit, dst_hw, cv2.INTER_LINEAR), rtol=0, atol=1e-5)
    # On uint8 cv2 computes in fixed point with 11 bits, which 0.26 of 255 allows for, and rounds to whole numbers.
    whole = source.round().to(torch.uint8)
    out = start_of(whole.float(), dst_hw, **arguments)
    assert (out - cv2_resize(whole, dst_hw, cv2.INTER_LINEAR)).abs().max() <= 0.5 + 0.26


@settings(max_examples=40)
@given(sizes, sizes, normalizations, distances, st.sampled_from([2, 4, 6, 'auto']))
def test_bilinear_start_equals_torch_at_any_neighborhood(src_hw, dst_hw, normalize, distance, neighbors):
    source = images(src_hw, torch.float64)
    out = start_of(source, dst_hw, normalize=normalize, distance=distance, neighbors=neighbors)
    expected = F.interpolate(source, dst_hw, mode='bilinear')
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(sizes, sizes, normalizations, distances, st.sampled_from(['triangle', 'antialiased']))
def test_antialiased_start_equals_torch(src_hw, dst_hw, normalize, distance, start):
    source = images(src_hw, torch.float64)
    out = start_of(source, dst_hw, start=start, neighbors='auto', normalize=normalize, distance=distance)
    # An axis at a time: at once, PyTorch 2.13 repeats the first row where the target is 1 px wide.
    expected = F.interpolate(source.mT, (src_hw[1], dst_hw[0]), mode='bilinear', antialias=True).mT
    expected = F.interpolate(expected, dst_hw, mode='bilinear', antialias=True)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-9)
    single = start_of(source.float(), dst_hw, start=start, neighbors='auto', normalize=normalize, distance=distance)
    torch.testing.assert_close(single, expected.float(), rtol=0, atol=1e-3)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    normalizations,
    distances,
)
def test_area_start_equals_cv2_at_integer_ratios(dst_hw, ratios, normalize, distance):
    source = images((dst_hw[0] * ratios[0], dst_hw[1] * ratios[1]))
    out = start_of(source, dst_hw, start='area', neighbors='auto', normalize=normalize, distance=distance)
    torch.testing.assert_close(out, cv2_resize(source, dst_hw, cv2.INTER_AREA), rtol=0, atol=1e-3)
    torch.testing.assert_close(out, F.avg_pool2d(source, ratios), rtol=0, atol=1e-3)


@settings(max_examples=40)
@given(sizes, sizes, normalizations, st.sampled_from(['nearest', 'bilinear', 'triangle', 'area']))
def test_every_start_that_fits_equals_the_reference(src_hw, dst_hw, normalize, start):
    source = images(src_hw, torch.float64)
    out = start_of(source, dst_hw, start=start, neighbors='auto', normalize=normalize)
    np.testing.assert_allclose(out, resampling.resize(source.numpy(), dst_hw, start), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ('start', 'neighbors'), [('bicubic', 4), ('lanczos', 8), ('bicubic_antialias', 8), ('lanczos_antialias', 12)]
)
@pytest.mark.parametrize('normalize', ['signed', 'none'])
def test_starts_with_negative_weights(start, neighbors, normalize):
    source = images((12, 20), torch.float64)
    out = start_of(source, (7, 11), start=start, neighbors=neighbors, normalize=normalize)
    np.testing.assert_allclose(out, resampling.resize(source.numpy(), (7, 11), start), rtol=0, atol=1e-9)


@ignore_cut
@settings(max_examples=40)
@given(sizes, sizes, st.sampled_from(['area', 'triangle']), st.sampled_from([2, 4]))
def test_cut_starts_equal_the_cut_kernel(src_hw, dst_hw, start, neighbors):
    source = images(src_hw, torch.float64)
    net = DownsizeNet(start=start, neighbors=neighbors, num_convs=1).double()
    with torch.no_grad():
        coefficients = net.coefficients(source, dst_hw)
    by_y, by_x = (resampling.tap_weights(start, s, d, neighbors) for s, d in zip(src_hw, dst_hw))
    expected = np.einsum('ki,lj->klij', by_y, by_x).reshape(1, -1, *dst_hw)
    np.testing.assert_allclose(coefficients, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('convert', ['half', 'bfloat16'])
@pytest.mark.parametrize('normalize', NORMALIZED)
def test_start_is_exact_with_weights_of_half_precision(normalize, convert):
    source = images((20, 17))
    expected = start_of(source, (7, 9), normalize=normalize)
    net = getattr(DownsizeNet(num_convs=1, normalize=normalize), convert)()
    # another back end, which adds in another order
    torch.testing.assert_close(net(source, (7, 9)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('normalize', NORMALIZED)
def test_start_is_exact_under_autocast(normalize):
    source = images((20, 17))
    expected = start_of(source, (7, 9), normalize=normalize)
    net = DownsizeNet(num_convs=1, normalize=normalize)
    with torch.autocast('cpu', torch.bfloat16):
        out = net(source, (7, 9))
    assert out.dtype == torch.float32
    assert torch.equal(out, expected)


@pytest.mark.parametrize('normalize', NORMALIZED)
@pytest.mark.parametrize('start', ['bilinear', 'nearest', 'area', 'triangle'])
def test_at_exact_hits_every_neighbor_can_learn(start, normalize):
    """300 -> 100: all output centres lie on source pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        net = DownsizeNet(start=start, neighbors=4, normalize=normalize)
        source = images((300, 300))
        out = net(source, (100, 100))
    if start in ('bilinear', 'nearest'):
        assert torch.equal(out, source[:, :, 1::3, 1::3])
    (out * torch.randn_like(out)).mean().backward()
    by_neighbor = net.fusion.weight.grad.flatten(1)
    assert by_neighbor.isfinite().all()
    # no neighbour learns a hundred times slower than another
    strength = by_neighbor.norm(dim=1)
    assert strength.min() > strength.max() / 100
    assert net.fusion.bias.grad.all()


@pytest.mark.parametrize('normalize', ['softmax', 'sigmoid', 'signed', 'none'])
def test_texture_learns_from_the_second_step_on(normalize):
    net = DownsizeNet(normalize=normalize, num_convs=3)
    source, target = images((30, 30)), images((31, 31))[..., :10, :10]
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for step in range(2):
        optimizer.zero_grad()
        ((net(source, (10, 10)) - target) / 255).square().mean().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad.isfinite().all(), name
            if name.startswith('fusion') or step == 1:
                assert parameter.grad.any(), name
            else:
                assert not parameter.grad.any(), name
        optimizer.step()


def test_reset_parameters_goes_back_to_the_start():
    source = images((20, 17))
    net = DownsizeNet()
    expected = net(source, (7, 9))
    with torch.no_grad():
        net.fusion.weight.normal_()
        net.fusion.bias.normal_()
    assert not torch.allclose(net(source, (7, 9)), expected)
    net.reset_parameters()
    assert torch.equal(net(source, (7, 9)), expected)


def test_random_start_is_no_kernel_and_differs_from_net_to_net():
    source = images((20, 17))
    nets = [DownsizeNet(start='random') for _ in range(2)]
    assert not torch.allclose(nets[0](source, (7, 9)), nets[1](source, (7, 9)))


@pytest.mark.parametrize('start', ['area', 'triangle'])
def test_a_cut_start_warns_once_with_the_numbers(start):
    net = DownsizeNet(start=start, neighbors=2)
    needed = KERNELS[start].neighbors(30, 10)
    with pytest.warns(
        UserWarning, match=rf"start='{start}'.*\(30, 30\) -> \(10, 10\).*{needed} neighbours.*neighbors=2"
    ):
        net(images((30, 30)), (10, 10))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        net(images((30, 30)), (10, 10))
        net(images((40, 30)), (10, 10))


@pytest.mark.parametrize(
    'arguments',
    [
        {'start': 'bilinear'},
        {'start': 'nearest'},
        {'start': 'random'},
        {'start': 'area', 'neighbors': 4},
        {'start': 'triangle', 'neighbors': 6},
        {'start': 'triangle', 'neighbors': 'auto'},
        {'start': 'area', 'neighbors': 'auto'},
    ],
)
def test_a_whole_start_does_not_warn(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        DownsizeNet(**arguments)(images((30, 30)), (10, 10))


def test_a_start_that_loses_nothing_does_not_warn():
    """30 -> 15: each output pixel is exactly two source pixels on each axis, and 2 neighbours are all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        out = DownsizeNet(start='area', neighbors=2)(images((30, 30)), (15, 15))
    torch.testing.assert_close(out, F.avg_pool2d(images((30, 30)), 2))


@pytest.mark.parametrize('start', ['bicubic', 'bicubic_antialias', 'lanczos', 'lanczos_antialias'])
@pytest.mark.parametrize('dst_hw', [(20, 20), (4, 7)])
def test_auto_covers_every_start(start, dst_hw):
    source = images((13, 10), torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        out = start_of(source, dst_hw, start=start, neighbors='auto', normalize='signed')
    np.testing.assert_allclose(out, resampling.resize(source.numpy(), dst_hw, start), rtol=0, atol=1e-9)
