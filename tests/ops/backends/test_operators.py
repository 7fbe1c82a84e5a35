import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from mmdownsize.ops import interpolate, neighbor_indices, project, select
from tests.references.downsize_net import pool

lengths = st.integers(1, 12)


def random_grid(src_hw, dst_hw, counts, generator):
    return [torch.randint(0, s, (k, d), generator=generator) for s, d, k in zip(src_hw, dst_hw, counts)]


@given(lengths, lengths, lengths, lengths, st.sampled_from([(1, 1), (2, 2), (2, 4), (4, 2), (3, 1)]), st.booleans())
def test_interpolate_is_the_weighted_sum_of_any_grid(height, width, h, w, counts, shared):
    generator = torch.Generator().manual_seed(height * 1000 + width)
    rows, cols = random_grid((height, width), (h, w), counts, generator)
    images = torch.randn(2, 3, height, width, dtype=torch.float64, generator=generator)
    batch = 1 if shared else 2
    coefficients = torch.randn(batch, counts[0] * counts[1], h, w, dtype=torch.float64, generator=generator)
    expected = torch.zeros(2, 3, h, w, dtype=torch.float64)
    for n in range(2):
        for i in range(h):
            for j in range(w):
                for k in range(counts[0]):
                    for m in range(counts[1]):
                        a = coefficients[0 if shared else n, k * counts[1] + m, i, j]
                        expected[n, :, i, j] += a * images[n, :, rows[k, i], cols[m, j]]
    torch.testing.assert_close(interpolate(images, coefficients, rows, cols), expected, rtol=0, atol=1e-12)


@given(lengths, lengths, lengths, lengths)
def test_select_pools_the_top_left_neighbor(height, width, h, w):
    features = torch.arange(2 * height * width, dtype=torch.float64).view(1, 2, height, width)
    rows, cols = (project(s, d)[0].clamp(0, s - 1) for s, d in ((height, h), (width, w)))
    np.testing.assert_array_equal(select(features, rows, cols)[0], pool(features[0].numpy(), (h, w)))


def test_golden_5x5_ramp_to_3x3():
    ramp = torch.arange(25.0).view(1, 1, 5, 5)
    rows, cols = neighbor_indices(5, 3, 2), neighbor_indices(5, 3, 2)
    corner = torch.zeros(1, 4, 3, 3)
    corner[:, 3] = 1
    # centres at 1/3, 2, 11/3: bottom-right neighbours are 1, 3, 4
    assert interpolate(ramp, corner, rows, cols)[0, 0].tolist() == [[6, 8, 9], [16, 18, 19], [21, 23, 24]]


def test_gradcheck():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 2, 5, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    coefficients = torch.randn(2, 8, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    rows, cols = neighbor_indices(5, 3, 2), neighbor_indices(4, 2, 4)
    assert gradcheck(lambda x, a: interpolate(x, a, rows, cols), (images, coefficients))
    shared = coefficients.detach()[:1].requires_grad_()
    assert gradcheck(lambda x, a: interpolate(x, a, rows, cols), (images, shared))
    # upsizing selects a pixel many times over: its gradients add up
    rows, cols = (torch.tensor([0, 0, 1, 4, 4, 4]), torch.tensor([3, 0, 0]))
    assert gradcheck(lambda x: select(x, rows, cols), (images,))


@pytest.mark.parametrize('layout', ['channels_last', 'strided', 'expanded'])
def test_memory_layout_does_not_matter(layout):
    images = torch.randn(2, 3, 8, 10, dtype=torch.float64)
    coefficients = torch.randn(2, 4, 4, 5, dtype=torch.float64)
    rows, cols = neighbor_indices(8, 4, 2), neighbor_indices(10, 5, 2)
    if layout == 'channels_last':
        other = images.contiguous(memory_format=torch.channels_last)
    elif layout == 'strided':
        other = torch.stack([images, torch.zeros_like(images)], -1).flatten(-2)[..., ::2]
    else:
        images = images[:, :1].expand(-1, 3, -1, -1)
        other = images.contiguous()
    assert images.stride() != other.stride()
    assert torch.equal(interpolate(images, coefficients, rows, cols), interpolate(other, coefficients, rows, cols))
    assert torch.equal(select(images, rows[0], cols[0]), select(other, rows[0], cols[0]))


@pytest.mark.parametrize(
    ('images', 'coefficients', 'expected'),
    [
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float32, torch.float64, torch.float64),
        (torch.float64, torch.float32, torch.float64),
        (torch.bfloat16, torch.bfloat16, torch.bfloat16),
    ],
)
def test_dtypes_are_promoted(images, coefficients, expected):
    rows, cols = neighbor_indices(4, 2, 2), neighbor_indices(4, 2, 2)
    out = interpolate(
        torch.ones(1, 1, 4, 4, dtype=images), torch.full((1, 4, 2, 2), 0.25, dtype=coefficients), rows, cols
    )
    assert out.dtype == expected
    assert torch.equal(out, torch.ones_like(out))


def test_inputs_are_not_modified():
    images, coefficients = torch.rand(1, 3, 6, 6), torch.rand(1, 4, 3, 3)
    rows, cols = neighbor_indices(6, 3, 2), neighbor_indices(6, 3, 2)
    before = [t.clone() for t in (images, coefficients, rows, cols)]
    interpolate(images, coefficients, rows, cols).add_(1)
    select(images, rows[0], cols[0]).add_(1)
    assert all(torch.equal(a, b) for a, b in zip(before, (images, coefficients, rows, cols)))


def test_empty_batch():
    rows, cols = neighbor_indices(6, 3, 2), neighbor_indices(6, 3, 2)
    assert interpolate(torch.empty(0, 3, 6, 6), torch.empty(0, 4, 3, 3), rows, cols).shape == (0, 3, 3, 3)
    assert select(torch.empty(0, 3, 6, 6), rows[0], cols[0]).shape == (0, 3, 3, 3)


def test_wrong_number_of_coefficients_is_refused_by_value():
    rows, cols = neighbor_indices(6, 3, 2), neighbor_indices(6, 3, 4)
    with pytest.raises(ValueError, match='2 x 4 neighbours need 8 coefficients, got 4'):
        interpolate(torch.rand(1, 3, 6, 6), torch.rand(1, 4, 3, 3), rows, cols)
