import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.ops import KERNELS, axis_weights, get_kernel, neighbor_indices
from mmdownsize.ops.grid import relative_distances
from tests.references import resampling

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
names = st.sampled_from(sorted(KERNELS))
SYMMETRIC = sorted(set(KERNELS) - {'nearest'})  # nearest has to break ties


def dense(name, src, dst):
    weights = axis_weights(get_kernel(name), src, dst)
    indices = neighbor_indices(src, dst, len(weights))
    return torch.zeros(src, dst, dtype=torch.float64).scatter_add_(0, indices, weights).T


def test_all_kernels_are_there():
    assert set(KERNELS) == {
        'nearest',
        'bilinear',
        'triangle',
        'area',
        'sharp_area',
        'bicubic',
        'bicubic_antialias',
        'lanczos',
        'lanczos_antialias',
    }
    assert all(get_kernel(name) is kernel and kernel.name == name for name, kernel in KERNELS.items())


@given(names, lengths, lengths)
def test_all_neighbors_together_are_the_whole_kernel(name, src, dst):
    np.testing.assert_allclose(dense(name, src, dst), resampling.matrix(name, src, dst), rtol=0, atol=1e-12)


@given(names, lengths, lengths, st.sampled_from([2, 4, 6]))
def test_cut_kernels_match_the_reference_tap_by_tap(name, src, dst, count):
    weights = axis_weights(get_kernel(name), src, dst, count)
    assert weights.shape == (count, dst)
    assert weights.dtype == torch.float64
    np.testing.assert_allclose(weights, resampling.tap_weights(name, src, dst, count), rtol=0, atol=1e-12)


@given(names, lengths, lengths)
def test_weights_sum_to_1_and_keep_their_sign(name, src, dst):
    weights = axis_weights(get_kernel(name), src, dst)
    torch.testing.assert_close(weights.sum(0), torch.ones(dst, dtype=torch.float64), rtol=0, atol=1e-12)
    if get_kernel(name).non_negative:
        assert (weights >= 0).all()


@pytest.mark.parametrize('name', [n for n in KERNELS if not KERNELS[n].non_negative])
def test_kernels_said_to_have_negative_weights_have(name):
    assert (axis_weights(get_kernel(name), 20, 13) < 0).any()


@given(st.sampled_from(SYMMETRIC), lengths, lengths)
def test_symmetric_kernels_commute_with_a_flip(name, src, dst):
    weights = dense(name, src, dst)
    torch.testing.assert_close(weights.flip(0, 1), weights, rtol=0, atol=1e-12)


@given(names, lengths, st.integers(1, 6))
def test_one_pixel_axes(name, dst, count):
    torch.testing.assert_close(dense(name, 1, dst), torch.ones(dst, 1, dtype=torch.float64), rtol=0, atol=1e-12)
    row = dense(name, 2 * count, 1)
    assert row.shape == (1, 2 * count)
    if name != 'nearest':
        torch.testing.assert_close(row, row.flip(1), rtol=0, atol=1e-12)


@pytest.mark.parametrize('name', sorted(KERNELS))
def test_same_size_is_the_identity(name):
    torch.testing.assert_close(dense(name, 7, 7), torch.eye(7, dtype=torch.float64), rtol=0, atol=1e-12)


def test_golden_values():
    def middle(name, src, dst, count=None):
        return axis_weights(get_kernel(name), src, dst, count)[:, dst // 2].tolist()

    assert middle('bilinear', 6, 3) == [0.5, 0.5]
    assert middle('bilinear', 9, 3) == [1, 0]
    assert middle('nearest', 9, 3) == [1, 0]
    assert middle('nearest', 6, 3) == [0, 1]  # a tie goes right, as in PyTorch's nearest-exact
    assert middle('triangle', 6, 3, 4) == [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    assert middle('triangle', 9, 3, 6) == pytest.approx([1 / 9, 2 / 9, 3 / 9, 2 / 9, 1 / 9, 0], abs=1e-15)
    assert middle('area', 9, 3, 4) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-15)
    assert middle('area', 6, 3, 2) == [0.5, 0.5]
    # 3 -> 2: the first output pixel covers one and a half source pixels
    assert axis_weights(get_kernel('area'), 3, 2, 4)[:, 0].tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0], abs=1e-15)
    assert middle('sharp_area', 15, 5, 6) == pytest.approx([-0.1, 0.4, 0.4, 0.4, -0.1, 0], abs=1e-15)
    # half-way between two pixels Keys' kernel weighs a/8 and 1/2 - a/8
    assert middle('bicubic', 6, 3) == [-0.75 / 8, 0.5 + 0.75 / 8, 0.5 + 0.75 / 8, -0.75 / 8]
    nearer, farther = (math.sin(math.pi * t) * math.sin(math.pi * t / 4) * 4 / (math.pi * t) ** 2 for t in (0.5, 1.5))
    row = middle('lanczos', 6, 3)
    assert row[4] / row[5] == pytest.approx(nearer / farther)


@pytest.mark.parametrize('ratio', [1, 3, 9])
def test_the_sharp_area_leaves_third_degree_polynomials_as_they_are(ratio):
    x = (torch.arange(9 * ratio, dtype=torch.float64) + 0.5) / ratio - 4.5  # in output px, 0 in the middle
    values = torch.stack([x**3 - 2 * x**2 + x - 3, x**2])
    got = values @ dense('sharp_area', 9 * ratio, 9).T
    centres = values[:, ratio // 2 :: ratio]
    torch.testing.assert_close(got[:, 1:-1], centres[:, 1:-1], rtol=0, atol=1e-12)  # at the edge the mask is cut
    blurred = values @ dense('area', 9 * ratio, 9).T
    assert ratio == 1 or (blurred - centres)[1].min() > 0.05  # which area itself does not


@pytest.mark.parametrize(('src', 'dst'), [(300, 150), (360, 108), (300, 75), (300, 60), (512, 100), (1000, 77)])
def test_the_sharp_area_has_little_of_the_blur_of_area(src, dst):
    def blur(name):
        weights = axis_weights(get_kernel(name), src, dst)
        return (weights * relative_distances(src, dst, len(weights)) ** 2).sum(0)[3:-3]

    assert (blur('sharp_area').abs() < 0.4 * blur('area')).all()


@given(names, lengths, lengths)
def test_neighbors_leave_nothing_of_the_kernel_out(name, src, dst):
    kernel = get_kernel(name)
    count = kernel.neighbors(src, dst)
    assert count % 2 == 0
    more = axis_weights(kernel, src, dst, count + 2)
    assert not more[[0, -1]].abs().gt(1e-15).any()


@pytest.mark.parametrize(
    ('name', 'src', 'dst', 'count'),
    [
        ('bilinear', 300, 100, 2),
        ('bicubic', 300, 100, 4),
        ('lanczos', 300, 100, 8),
        ('triangle', 300, 100, 6),
        ('triangle', 300, 160, 4),
        ('triangle', 100, 300, 2),
        ('area', 300, 100, 4),
        ('area', 300, 150, 2),  # at an even ratio no centre lies on a source pixel
        ('area', 300, 75, 4),
        ('area', 300, 149, 4),
        ('area', 300, 160, 4),
        ('area', 100, 300, 2),
        ('sharp_area', 300, 100, 6),
        ('sharp_area', 300, 160, 6),
        ('bicubic_antialias', 300, 100, 12),
        ('lanczos_antialias', 300, 160, 12),
    ],
)
def test_number_of_neighbors(name, src, dst, count):
    assert get_kernel(name).neighbors(src, dst) == count


def test_unknown_kernel_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'bilinar'.*nearest.*bilinear.*lanczos"):
        get_kernel('bilinar')


def test_odd_neighbors_are_refused():
    with pytest.raises(ValueError, match='got 3'):
        axis_weights(get_kernel('area'), 6, 3, 3)
