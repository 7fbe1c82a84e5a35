"""Weighted sums of pixels against loops, against the plain interpolation, and in what they keep in memory."""

import pytest
import torch

from mmdownsize.ops import interpolate, neighbor_indices
from mmdownsize.ops.gather import interpolate_lean, weighted_gather


def test_every_sum_is_the_loops():
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    indices, weights = torch.randint(0, 40, (7, 6)), torch.randn(7, 6, dtype=torch.float64)
    out = weighted_gather(maps, indices, weights)
    for m in range(7):
        expected = torch.zeros(3, dtype=torch.float64)
        for k in range(6):
            n, rest = divmod(int(indices[m, k]), 20)
            expected += weights[m, k] * maps[n, :, rest // 5, rest % 5]
        torch.testing.assert_close(out[m], expected)


def test_gradients_of_maps_and_weights():
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    indices = torch.randint(0, 40, (7, 6))
    assert torch.autograd.gradcheck(lambda m, w: weighted_gather(m, indices, w), (maps, weights))


def test_no_sums_keep_the_graph():
    maps = torch.randn(1, 3, 4, 5, requires_grad=True)
    out = weighted_gather(maps, torch.empty(0, 4, dtype=torch.int64), torch.empty(0, 4))
    assert out.shape == (0, 3)
    out.sum().backward()
    assert torch.equal(maps.grad, torch.zeros_like(maps))


@pytest.mark.parametrize('weights', [(5, 3), (4, 4), (20,)])
def test_shapes_that_do_not_fit_are_named(weights):
    with pytest.raises(ValueError, match=r'both be \(M, K\), got \(5, 4\)'):
        weighted_gather(torch.randn(1, 3, 4, 5), torch.zeros(5, 4, dtype=torch.int64), torch.randn(weights))


GRIDS = [((6, 7), (11, 15), (2, 2)), ((9, 8), (4, 3), (4, 2)), ((1, 1), (3, 2), (2, 4)), ((5, 6), (5, 6), (6, 2))]


def grid(src_hw, dst_hw, counts):
    return [neighbor_indices(*axis) for axis in zip(src_hw, dst_hw, counts)]


@pytest.mark.parametrize(('src_hw', 'dst_hw', 'counts'), GRIDS)
@pytest.mark.parametrize('shared', [True, False])
def test_lean_interpolation_and_its_gradients_are_the_plain_ones(src_hw, dst_hw, counts, shared):
    rows, cols = grid(src_hw, dst_hw, counts)
    images = torch.randn(2, 5, *src_hw, dtype=torch.float64, requires_grad=True)
    coefficients = torch.randn(1 if shared else 2, counts[0] * counts[1], *dst_hw, dtype=torch.float64)
    coefficients.requires_grad_()
    lean, plain = (f(images, coefficients, rows, cols) for f in (interpolate_lean, interpolate))
    torch.testing.assert_close(lean, plain)
    assert lean.is_contiguous()
    weights = torch.randn_like(plain)
    for ours, theirs in zip(
        *(torch.autograd.grad((out * weights).sum(), (images, coefficients)) for out in (lean, plain))
    ):
        torch.testing.assert_close(ours, theirs)


def test_lean_interpolation_reads_any_memory_format_and_no_images():
    rows, cols = grid((6, 7), (9, 9), (2, 2))
    images, coefficients = torch.randn(2, 3, 6, 7), torch.randn(2, 4, 9, 9)
    same = interpolate_lean(images.contiguous(memory_format=torch.channels_last), coefficients, rows, cols)
    assert torch.equal(same, interpolate_lean(images, coefficients, rows, cols))
    assert interpolate_lean(images[:0], coefficients[:0], rows, cols).shape == (0, 3, 9, 9)


def test_half_precision_is_summed_in_float32():
    rows, cols = grid((6, 7), (9, 9), (2, 2))
    images, coefficients = torch.randn(2, 3, 6, 7).half(), torch.randn(2, 4, 9, 9)
    out = interpolate_lean(images, coefficients.half(), rows, cols)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, interpolate(images.float(), coefficients.half().float(), rows, cols))


def test_lean_interpolation_names_coefficients_that_do_not_fit():
    rows, cols = grid((6, 7), (9, 9), (2, 2))
    with pytest.raises(ValueError, match='2 x 2 neighbours need 4 coefficients, got 3'):
        interpolate_lean(torch.randn(2, 3, 6, 7), torch.randn(2, 3, 9, 9), rows, cols)


def kept_bytes(function, *inputs):
    """What a graph keeps for the backward pass, every piece of memory counted once."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = function(*inputs)
    return sum(kept.values()), out


def test_nothing_of_the_targets_size_is_kept():
    rows, cols = grid((20, 30), (40, 60), (2, 2))
    images = torch.randn(1, 64, 20, 30, requires_grad=True)
    coefficients = torch.rand(1, 4, 40, 60, requires_grad=True)
    lean, out = kept_bytes(interpolate_lean, images, coefficients, rows, cols)
    plain, _ = kept_bytes(interpolate, images, coefficients, rows, cols)
    assert plain > 4 * out.nbytes
    assert lean < images.nbytes + 7 * coefficients.nbytes < out.nbytes
