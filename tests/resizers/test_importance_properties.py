"""What holds for ImportanceResizer whatever its weights are."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from mmdownsize.ops import bands
from mmdownsize.ops.kernels import KERNELS
from mmdownsize.ops.separable import axis_of, resample, weighted_mean
from mmdownsize.resizers import ImportanceResizer
from tests.references.resampling import matrix

lengths = st.integers(1, 25) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
KERNEL_NAMES = ('nearest', 'bilinear', 'triangle', 'area')
AROUND = (None, 'sharp_area', 'bicubic', 'lanczos_antialias')
BACKENDS = ('auto', 'banded', 'dense')
BF16 = 2.0**-8


def images(src_hw, n=2, seed=0, channels=3):
    return 255 * torch.rand(n, channels, *src_hw, generator=torch.Generator().manual_seed(seed))


def disturbed(net, size=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return net


def take_weights(net, other):
    """Give a net the parameters of one with other settings, which load_state_dict refuses."""
    with torch.no_grad():
        for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
            ours.copy_(theirs)


@st.composite
def nets(draw, size=None, **arguments):
    num_convs = draw(st.integers(1, 3))
    settings = dict(
        num_convs=num_convs,
        channels=4,
        dilation=draw(st.integers(1, 2)) if num_convs > 1 else 1,
        kernel=draw(st.sampled_from(KERNEL_NAMES)),
        around=draw(st.sampled_from(AROUND)),
        limit=draw(st.sampled_from([0.1, 4.0, 40.0])),
        per_channel=draw(st.booleans()),
        start=draw(st.sampled_from([None, 'darkest', 'brightest'])),
        backend=draw(st.sampled_from(BACKENDS)),
    )
    size = draw(st.sampled_from([0.1, 1.0, 100.0, 1e6])) if size is None else size
    return disturbed(ImportanceResizer(**{**settings, **arguments}), size, draw(st.integers(0, 1000)))


def range_of_the_neighbors(source, dst_hw, kernel):
    """(lowest, highest) of the source pixels with a weight in R, each (N, C, h, w)."""
    by_y, by_x = (matrix(kernel, s, d) > 1e-12 for s, d in zip(source.shape[2:], dst_hw))
    low, high = np.empty((2, *source.shape[:2], *dst_hw))
    for i in range(dst_hw[0]):
        for j in range(dst_hw[1]):
            patch = source.numpy()[:, :, by_y[i]][..., by_x[j]]
            low[..., i, j], high[..., i, j] = patch.min((2, 3)), patch.max((2, 3))
    return torch.from_numpy(low), torch.from_numpy(high)


@settings(max_examples=80)
@given(nets(around=None), sizes, sizes)
def test_output_is_in_the_range_of_its_neighbors_for_any_weights(net, src_hw, dst_hw):
    source = images(src_hw)
    with torch.no_grad():
        out, found = net(source, dst_hw), net.importance(source)
    assert out.isfinite().all()
    highest = np.exp(net.limit) * (1 + 1e-5)
    assert found.min() >= 1 / highest and found.max() <= highest
    low, high = range_of_the_neighbors(source, dst_hw, net.kernel)
    assert (out >= low - 0.01).all()
    assert (out <= high + 0.01).all()


@settings(max_examples=80)
@given(nets(), sizes, sizes, st.sampled_from(AROUND[1:]))
def test_around_a_kernel_it_adds_what_the_importance_adds_to_its_own(net, src_hw, dst_hw, around):
    source = images(src_hw)
    plain = ImportanceResizer(**{**net.arguments(), 'around': None})
    joined = ImportanceResizer(**{**net.arguments(), 'around': around})
    take_weights(plain, net)
    take_weights(joined, net)
    axes = {
        name: [axis_of(KERNELS[name], s, d, source) for s, d in zip(src_hw, dst_hw)] for name in (around, net.kernel)
    }
    with torch.no_grad():
        added = plain(source, dst_hw) - resample(source, *axes[net.kernel])
        wanted = resample(source, *axes[around]) + added
        torch.testing.assert_close(joined(source, dst_hw), wanted, rtol=0, atol=1e-3)


@settings(max_examples=40)
@given(nets(), sizes, sizes, st.sampled_from([0.0, 13.0, 255.0]))
def test_constant_images_stay_constant(net, src_hw, dst_hw, value):
    with torch.no_grad():
        out = net(torch.full((1, 3, *src_hw), value), dst_hw)
    torch.testing.assert_close(out, torch.full_like(out, value), rtol=1e-5, atol=0)


@pytest.mark.parametrize('autocast', [True, False])
@pytest.mark.parametrize('backend', BACKENDS)
def test_constant_images_stay_constant_in_half_precision(backend, autocast):
    net = disturbed(ImportanceResizer(num_convs=2, backend=backend), 0.5)
    source = torch.full((2, 3, 41, 57), 200.0)
    net = net if autocast else net.bfloat16()
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        out = net(source, (18, 26))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.full_like(out, 200.0), rtol=0, atol=2e-3)


@settings(max_examples=40)
@given(nets(size=0.3), sizes, sizes, st.floats(-50, 300), st.floats(0.1, 90))
def test_normalizing_commutes_with_resizing(net, src_hw, dst_hw, mean, std):
    source, net = images(src_hw).double(), net.double()
    normalized = ImportanceResizer(**{**net.arguments(), 'value_range': [(v - mean) / std for v in net.value_range]})
    take_weights(normalized, net)
    with torch.no_grad():
        before, after = normalized.double()((source - mean) / std, dst_hw), (net(source, dst_hw) - mean) / std
    torch.testing.assert_close(before, after, rtol=1e-6, atol=1e-6)


@settings(max_examples=40)
@given(nets(size=0.3, around=None), sizes, sizes)
def test_normalizing_each_channel_commutes_with_resizing(net, src_hw, dst_hw):
    source = images(src_hw)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)
    axes = [axis_of(KERNELS[net.kernel], s, d, source) for s, d in zip(src_hw, dst_hw)]
    with torch.no_grad():
        after = (net(source, dst_hw) - mean) / std
        before = weighted_mean((source - mean) / std, net.importance(source), *axes)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-4)


@settings(max_examples=40)
@given(nets(size=0.3), sizes, sizes)
def test_flips_commute_if_the_filters_are_flipped_too(net, src_hw, dst_hw):
    assume(
        'nearest' not in (net.kernel, net.around)
    )  # which takes the right one of two that are equally near, flipped or not
    source, net = images(src_hw).double(), net.double()
    twin = copy.deepcopy(net)
    for axes in ([-1], [-2], [-2, -1]):
        with torch.no_grad():
            for ours, flipped in zip(net.texture, twin.texture):
                flipped.weight.copy_(ours.weight.flip(axes))
            out = twin(source.flip(axes), dst_hw).flip(axes)
            expected = net(source, dst_hw)
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-8)


def test_colors_share_their_importance_unless_each_has_its_own():
    for per_channel in (False, True):
        net = disturbed(ImportanceResizer(per_channel=per_channel))
        source = images((14, 11))
        assert net.importance(source).shape == (2, 3 if per_channel else 1, 14, 11)
        grey = source[:, :1].expand(-1, 3, -1, -1)
        out = net(grey, (5, 4))
        assert torch.allclose(out[:, :1], out, rtol=1e-6) != per_channel


@pytest.mark.parametrize(('num_convs', 'dilation', 'reach'), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (2, 3, 4), (3, 2, 5)])
def test_importance_sees_as_far_as_its_convolutions(num_convs, dilation, reach):
    net = disturbed(ImportanceResizer(num_convs=num_convs, dilation=dilation, channels=8), 0.5).double()
    source = images((31, 31), 1).double().requires_grad_()
    (gradient,) = torch.autograd.grad(net.importance(source)[0, 0, 15, 15], source)
    touched = gradient[0].abs().sum(0).nonzero()
    assert touched.amin(0).tolist() == [15 - reach] * 2
    assert touched.amax(0).tolist() == [15 + reach] * 2


odd = st.integers(1, 40) | st.sampled_from([1, 2, 3, 13, 31])
band_bytes = st.sampled_from([1, 800, 3000, 10_000, 2**21])


def of(net, source, dst_hw, backend):
    """Output and gradients of images and parameters."""
    net.backend = backend
    source = source.clone().requires_grad_()
    out = net(source, dst_hw)
    direction = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(0))
    return [out.detach(), *torch.autograd.grad(out, [source, *net.parameters()], direction)]


@settings(max_examples=80)
@given(nets(size=0.3, limit=4.0), st.tuples(odd, odd), st.tuples(odd, odd), st.integers(1, 5), band_bytes)
def test_bands_equal_the_whole_map_forward_and_backward(net, src_hw, dst_hw, n, size):
    net, source = net.double(), images(src_hw, n).double()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, 'BAND_BYTES', size)
        banded = of(net, source, dst_hw, 'banded')
    for ours, expected in zip(banded, of(net, source, dst_hw, 'dense'), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((27, 20), (9, 7)), ((28, 20), (28, 7)), ((20, 30), (5, 10))])
def test_bands_of_whole_blocks_beside_an_axis_of_fractions(src_hw, dst_hw, monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', 1)
    net, source = disturbed(ImportanceResizer()).double(), images(src_hw).double()
    for ours, expected in zip(of(net, source, dst_hw, 'banded'), of(net, source, dst_hw, 'dense')):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


def kept_for_backward(net, source):
    """Bytes that are kept besides the images, and the elements of the largest tensor, forward and backward."""
    kept = {}

    def keep(tensor):
        if tensor.data_ptr() != source.data_ptr():
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = net(source, (64, 60))
        out.sum().backward()
    return sum(kept.values()), largest.numel


@pytest.mark.parametrize('around', [None, 'lanczos_antialias'])
@pytest.mark.parametrize('num_convs', [1, 2])
def test_no_map_of_full_resolution_is_made_or_kept(num_convs, around, monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', 2**16)
    source = images((256, 240))
    feature_map = 2 * 16 * 256 * 240  # elements
    kept, largest = kept_for_backward(ImportanceResizer(num_convs=num_convs, around=around, backend='banded'), source)
    assert kept < 4 * 3000  # the parameters
    assert largest <= source.numel()
    # what is measured would show it
    kept, largest = kept_for_backward(ImportanceResizer(num_convs=num_convs, backend='dense'), source)
    assert kept > num_convs * 4 * feature_map
    assert largest >= feature_map


def test_inputs_and_parameters_are_not_modified():
    net = disturbed(ImportanceResizer(num_convs=2, start='darkest'))
    state, source = copy.deepcopy(net.state_dict()), images((14, 11))
    before = source.clone()
    for backend in BACKENDS:
        of(net, source, (5, 4), backend)
    net.importance(source)
    assert torch.equal(source, before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize('backend', BACKENDS)
def test_the_same_every_time(backend):
    net = disturbed(ImportanceResizer(num_convs=2, per_channel=True))
    first, second = (of(net, images((37, 41)), (10, 12), backend) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@pytest.mark.parametrize('backend', BACKENDS)
def test_only_the_convolutions_are_rounded_under_autocast(backend):
    source = images((41, 57))
    net = ImportanceResizer(start='darkest', backend=backend)  # no texture yet: nothing is in half precision
    wanted = net(source, (18, 26))
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(net(source, (18, 26)), wanted, rtol=0, atol=1e-4)
    disturbed(net)
    exact, weights = of(net, source, (18, 26), backend), net.importance(source)
    with torch.autocast('cpu', torch.bfloat16):
        found, rounded = of(net, source, (18, 26), backend), net.importance(source)
    assert rounded.dtype == found[0].dtype == torch.float32
    assert (rounded.log() - weights.log()).abs().max() < 0.1
    assert not torch.equal(rounded, weights)
    assert (found[0] - exact[0]).abs().mean() < 0.5
    for gradient, other in zip(found[1:], exact[1:]):
        assert gradient.dtype == torch.float32
        assert float((gradient - other).norm() / other.norm()) < 20 * BF16


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_importance_is_at_least_float32_whatever_the_images_are(dtype, backend):
    net = disturbed(ImportanceResizer(backend=backend))
    source = images((14, 11)).round()
    found = net.importance(source.to(dtype))
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.float(), net.importance(source.to(dtype).float()), rtol=1e-4, atol=0)
    assert net(source.to(dtype), (5, 4)).dtype == dtype


def test_bytes_are_the_numbers_they_stand_for():
    whole = images((37, 41)).to(torch.uint8)
    for backend, around in itertools.product(BACKENDS, AROUND):
        net = disturbed(ImportanceResizer(backend=backend, around=around))
        for dst_hw in ((10, 12), (37, 41)):
            assert torch.equal(net(whole, dst_hw), net(whole.float(), dst_hw))
    assert torch.equal(net.importance(whole), net.importance(whole.float()))


@settings(max_examples=40)
@given(nets(size=0.3), sizes, sizes)
def test_the_share_that_counts_is_from_above_0_to_1(net, src_hw, dst_hw):
    source = images(src_hw)
    with torch.no_grad():
        share = net.counting(source, dst_hw)
    assert share.shape == (2, 3 if net.per_channel else 1, *dst_hw)
    assert share.min() > 0 and share.max() <= 1 + 1e-4
    plain = ImportanceResizer(kernel=net.kernel).counting(source, dst_hw)
    torch.testing.assert_close(plain, torch.ones_like(plain), rtol=1e-5, atol=0)


def test_golden_share_that_counts():
    net = ImportanceResizer(start='brightest')
    source = torch.zeros(1, 3, 1, 4)
    source[..., 1] = 255.0
    weight = float(np.exp(8 * np.tanh(1)))  # of the white pixel, in those of the black ones
    expected = ((weight + 3) / 4) ** 2 / ((weight**2 + 3) / 4)
    assert net.counting(source, (1, 1)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('backend', BACKENDS)
def test_one_map_serves_many_scales(backend):
    """The importance belongs to the source pixel: it does not depend on the target."""
    net, source = disturbed(ImportanceResizer(backend=backend)), images((24, 36))
    weights = net.importance(source)
    for dst_hw in ((12, 18), (6, 9), (3, 4), (30, 50)):
        axes = [axis_of(KERNELS['area'], s, d, source) for s, d in zip((24, 36), dst_hw)]
        torch.testing.assert_close(net(source, dst_hw), weighted_mean(source, weights, *axes), rtol=0, atol=1e-3)
