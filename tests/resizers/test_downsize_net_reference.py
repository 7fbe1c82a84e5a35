"""DownsizeNet against the pixel-by-pixel float64 reference."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.resizers import DownsizeNet
from tests.references.downsize_net import downsize_net
from tests.references.sizes import auto_count

lengths = st.integers(1, 9)
STARTS = ('random', 'nearest', 'bilinear', 'triangle', 'area')
SIGNED = ('bicubic', 'bicubic_antialias', 'lanczos', 'lanczos_antialias')
DISTANCES = ('offset', 'bilinear', 'bicubic', 'area', 'triangle')

pytestmark = pytest.mark.filterwarnings('ignore:start=.* reaches over')


def randomized(net, seed, size=1.0):
    """Every parameter random, in float64."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return net.double()


def reference_of(net, image, dst_hw):
    counts = (net.neighbors, net.neighbors)
    if net.neighbors == 'auto':
        counts = tuple(auto_count(s, d, net.start) for s, d in zip(image.shape[1:], dst_hw))
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    return downsize_net(
        image.numpy(),
        dst_hw,
        convs=[(arrays[f'texture.{i}.weight'], arrays[f'texture.{i}.bias']) for i in range(net.num_convs)],
        fusion_weight=arrays['fusion.weight'][:, :, 0, 0],
        fusion_bias=arrays['fusion.bias'],
        counts=counts,
        slots=4 if net.neighbors == 'auto' else net.neighbors,
        distance=net.distance,
        normalize=net.normalize,
        start=net.start,
        value_range=net.value_range,
    )


def assert_equals_reference(net, src_hw, dst_hw, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = net.value_range
    images = low + (high - low) * torch.rand(2, net.in_channels, *src_hw, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        out, coefficients = net(images, dst_hw), net.coefficients(images, dst_hw)
    assert coefficients.dtype == torch.float64
    for n in range(2):
        expected = reference_of(net, images[n], dst_hw)
        np.testing.assert_allclose(coefficients[n], expected[1], rtol=0, atol=1e-10)
        np.testing.assert_allclose(out[n], expected[0], rtol=0, atol=1e-8 * (high - low))


@st.composite
def nets(draw):
    num_convs = draw(st.integers(0, 3))
    normalize = draw(st.sampled_from(['softmax', 'sigmoid', 'signed', 'none']))
    # raw numbers without a kernel: below
    start = draw(st.sampled_from(STARTS if normalize in ('softmax', 'sigmoid') else STARTS[1:] + SIGNED))
    distance = draw(st.sampled_from(DISTANCES))
    if start == 'random' and num_convs:
        distance = draw(st.sampled_from((None, *DISTANCES)))
    net = DownsizeNet(
        num_convs=num_convs or 2,
        texture=num_convs > 0,
        channels=draw(st.sampled_from([1, 3])),
        neighbors=draw(st.sampled_from([2, 4, 6, 'auto'])),
        distance=distance,
        normalize=normalize,
        start=start,
        in_channels=draw(st.sampled_from([1, 3])),
        value_range=draw(st.sampled_from([(0, 255), (0, 1), (-2, 3)])),
    )
    return randomized(net, draw(st.integers(0, 1000)), draw(st.sampled_from([0.3, 1.0])))


@settings(max_examples=60)
@given(nets(), st.tuples(lengths, lengths), st.tuples(lengths, lengths), st.integers(0, 1000))
def test_any_net_equals_the_reference(net, src_hw, dst_hw, seed):
    assert_equals_reference(net, src_hw, dst_hw, seed)


@pytest.mark.parametrize(
    ('src_hw', 'dst_hw'), [((9, 12), (3, 4)), ((8, 7), (3, 4)), ((3, 4), (7, 5)), ((5, 1), (1, 3))]
)
@pytest.mark.parametrize('neighbors', [2, 4])
@pytest.mark.parametrize('distance', ['offset', 'bilinear', 'bicubic'])
def test_the_papers_literal_form(distance, neighbors, src_hw, dst_hw):
    net = DownsizeNet(start='random', normalize='sigmoid', distance=distance, neighbors=neighbors, channels=4)
    assert net.fusion.weight.any()
    assert net.fusion.bias.any()
    assert_equals_reference(net.double(), src_hw, dst_hw)
    assert_equals_reference(randomized(net, 3), src_hw, dst_hw)


@pytest.mark.parametrize('num_convs', [1, 2, 3, 4])
def test_number_of_convolutions(num_convs):
    net = randomized(DownsizeNet(num_convs=num_convs, channels=3), num_convs)
    assert len(net.texture) == num_convs
    assert_equals_reference(net, (8, 7), (3, 4))


@pytest.mark.parametrize(('distance', 'normalize'), itertools.product(DISTANCES, ['softmax', 'sigmoid']))
@pytest.mark.parametrize(
    ('src_hw', 'dst_hw'), [((9, 8), (4, 8)), ((13, 4), (3, 2)), ((4, 6), (9, 2)), ((9, 12), (3, 4))]
)
def test_auto_at_several_scales(distance, normalize, src_hw, dst_hw):
    net = randomized(
        DownsizeNet(neighbors='auto', distance=distance, normalize=normalize, start='triangle', channels=3), 5
    )
    assert_equals_reference(net, src_hw, dst_hw)


def test_bilinear_is_a_special_case_of_the_papers_raw_form():
    """Distance map = bilinear coefficients, a 1x1 that passes channel C + k to output k and no texture, no sigmoid."""
    net = DownsizeNet(start='random', normalize='none', distance='bilinear').double()
    with torch.no_grad():
        net.fusion.weight.zero_()
        net.fusion.bias.zero_()
        net.fusion.weight[:, net.channels :, 0, 0] = torch.eye(4)
    images = torch.rand(1, 3, 9, 7, dtype=torch.float64)
    expected = DownsizeNet(start='bilinear').double()
    torch.testing.assert_close(net.coefficients(images, (4, 5)), expected.coefficients(images, (4, 5)))
    torch.testing.assert_close(net(images, (4, 5)), expected(images, (4, 5)))


@pytest.mark.parametrize('neighbors', [2, 'auto'])
@pytest.mark.parametrize('normalize', ['signed', 'none'])
def test_coefficients_of_any_sign_without_a_kernel(normalize, neighbors):
    net = DownsizeNet(start='random', normalize=normalize, channels=3, neighbors=neighbors, distance='triangle')
    assert_equals_reference(randomized(net, 7), (8, 7), (3, 4))


@pytest.mark.parametrize('start', ['random', 'lanczos_antialias'])
def test_signed_coefficients_sum_to_1_and_sharpen(start):
    net = randomized(DownsizeNet(start=start, normalize='signed', neighbors=4, distance='area'), 3, 0.3)
    coefficients = net.coefficients(torch.rand(1, 3, 9, 9, dtype=torch.float64) * 255, (5, 5))
    torch.testing.assert_close(coefficients.sum(1), torch.ones_like(coefficients[:, 0]))
    assert coefficients.min() < -0.05
