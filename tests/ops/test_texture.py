"""Texture in bands, with its own backward pass, against the plain convolutions on the whole map."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from mmdownsize.ops import bands, project, texture, texture_at
from tests.references import downsize_net as reference

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
# from a row at a time (in fact 4 a convolution) over a few images together to everything at once
band_bytes = st.sampled_from([1, 800, 3000, 10_000, 2**21])


def parameters(depth, channels=3, in_channels=2, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    widths = [in_channels] + [channels] * depth
    weights = [torch.randn(o, i, 3, 3, dtype=torch.float64, generator=generator) / 3 for i, o in pairwise(widths)]
    biases = [torch.randn(o, dtype=torch.float64, generator=generator) / 3 for o in widths[1:]]
    return [[t.to(dtype).requires_grad_() for t in part] for part in (weights, biases)]


def top_left(src_hw, dst_hw):
    return [project(s, d)[0].clamp(0, s - 1) for s, d in zip(src_hw, dst_hw)]


def gradients(out, inputs, seed=0):
    direction = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(seed))
    return torch.autograd.grad(out, inputs, direction)


@settings(max_examples=60)
@given(sizes, sizes, st.integers(1, 4), st.integers(1, 5), band_bytes)
def test_bands_equal_the_whole_map_forward_and_backward(src_hw, dst_hw, depth, n, size):
    images = torch.randn(
        n, 2, *src_hw, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    weights, biases = parameters(depth)
    rows, cols = top_left(src_hw, dst_hw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, 'BAND_BYTES', size)
        banded = texture_at(images, weights, biases, rows, cols, shift=0.3, gain=1.7)
        ours = gradients(banded, [images, *weights, *biases])
    whole = texture_at(images, weights, biases, rows, cols, shift=0.3, gain=1.7, banded=False)
    assert banded.shape == (n, 3, *dst_hw)
    torch.testing.assert_close(banded, whole, rtol=0, atol=1e-11)
    for a, b in zip(ours, gradients(whole, [images, *weights, *biases])):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('banded', [True, False])
@pytest.mark.parametrize('depth', [1, 2, 3])
def test_values_equal_the_reference(depth, banded):
    images = torch.randn(1, 2, 9, 7, dtype=torch.float64)
    weights, biases = parameters(depth)
    # images in 0.3 - 1/1.7 .. 0.3 + 1/1.7 are -1 .. 1 to the convolutions
    expected = reference.texture_map(
        images[0].numpy(),
        [(w.detach().numpy(), b.detach().numpy()) for w, b in zip(weights, biases)],
        (0.3 - 1 / 1.7, 0.3 + 1 / 1.7),
    )
    expected = torch.from_numpy(reference.pool(expected, (4, 5)))
    rows, cols = top_left((9, 7), (4, 5))
    out = texture_at(images, weights, biases, rows, cols, shift=0.3, gain=1.7, banded=banded)
    torch.testing.assert_close(out[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize('size', [1, 2**21])
@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((13, 5), (4, 3)), ((4, 3), (6, 5))])
def test_gradcheck(src_hw, dst_hw, size, monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', size)
    images = torch.randn(2, 2, *src_hw, dtype=torch.float64, requires_grad=True)
    weights, biases = parameters(2, channels=2)
    rows, cols = top_left(src_hw, dst_hw)

    def call(images, *values):
        return texture_at(images, list(values[:2]), list(values[2:]), rows, cols, gain=0.7)

    assert gradcheck(call, (images, *weights, *biases))


@pytest.mark.parametrize(('rows', 'cols'), [([1, 1, 3], [0, 2]), ([1, 3], [2, 2, 2]), ([0, 0], [1, 1]), ([3], [0])])
def test_features_that_are_picked_twice_get_both_gradients(rows, cols):
    images = torch.randn(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    weights, biases = parameters(2)
    ours, expected = (
        gradients(
            texture_at(images, weights, biases, torch.tensor(rows), torch.tensor(cols), banded=banded),
            [images, *weights, *biases],
        )
        for banded in (True, False)
    )
    for a, b in zip(ours, expected):
        torch.testing.assert_close(a, b)


def test_small_images_share_a_band_and_large_ones_are_cut(monkeypatch):
    calls = []
    conv2d = torch.nn.functional.conv2d
    monkeypatch.setattr(
        texture.F, 'conv2d', lambda x, *rest, **kw: calls.append(tuple(x.shape)) or conv2d(x, *rest, **kw)
    )
    weights, biases = parameters(1, channels=2)
    images = torch.randn(5, 2, 8, 10, dtype=torch.float64)
    rows, cols = top_left((8, 10), (4, 5))
    monkeypatch.setattr(bands, 'BAND_BYTES', 16 * 10 * 2 * 8)  # 16 rows: two images
    with torch.no_grad():
        texture_at(images, weights, biases, rows, cols)
    assert [shape[0] for shape in calls] == [2, 2, 1]
    calls.clear()
    images = torch.randn(1, 2, 80, 10, dtype=torch.float64)
    rows, cols = top_left((80, 10), (40, 5))
    with torch.no_grad():
        texture_at(images, weights, biases, rows, cols)
    assert len(calls) == 5
    assert max(shape[2] for shape in calls) <= 16 + 2


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
def test_dtype_of_computing_and_of_gradients(dtype):
    weights, biases = parameters(2, dtype=torch.float32)
    images = torch.randn(1, 2, 9, 7)
    rows, cols = top_left((9, 7), (4, 5))
    out = texture_at(images, weights, biases, rows, cols, dtype=dtype)
    assert out.dtype == dtype
    expected = texture_at(images, weights, biases, rows, cols, banded=False)
    tolerance = {torch.bfloat16: 0.1, torch.float16: 0.01, torch.float32: 1e-5}[dtype]
    torch.testing.assert_close(out.float(), expected, rtol=tolerance, atol=tolerance)
    for gradient, other in zip(gradients(out, [*weights, *biases]), gradients(expected.to(dtype), [*weights, *biases])):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, other, rtol=4 * tolerance, atol=40 * tolerance)


def test_by_default_computes_in_the_dtype_of_the_weights():
    weights, biases = parameters(1, dtype=torch.bfloat16)
    rows, cols = top_left((9, 7), (4, 5))
    for banded in (True, False):
        out = texture_at(torch.randn(1, 2, 9, 7), weights, biases, rows, cols, banded=banded)
        assert out.dtype == torch.bfloat16


@pytest.mark.parametrize('layout', ['channels_last', 'strided'])
def test_memory_layout_does_not_matter(layout):
    images = torch.randn(2, 2, 9, 8, dtype=torch.float64)
    other = images.contiguous(memory_format=torch.channels_last)
    if layout == 'strided':
        other = torch.stack([images, images + 1], -1).flatten(-2)[..., ::2]
    weights, biases = parameters(2)
    rows, cols = top_left((9, 8), (4, 5))
    a, b = (texture_at(x.requires_grad_(), weights, biases, rows, cols) for x in (images, other))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    for x, y in zip(gradients(a, [images, *weights]), gradients(b, [other, *weights])):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-10)


def test_inputs_are_not_modified_and_only_needed_gradients_are_made():
    images = torch.rand(2, 2, 9, 7, dtype=torch.float64)
    weights, biases = parameters(2)
    rows, cols = top_left((9, 7), (4, 5))
    before = [t.detach().clone() for t in (images, *weights, *biases)]
    out = texture_at(images, weights, biases, rows, cols)
    out.sum().backward()
    assert images.grad is None
    assert all(torch.equal(a, b) for a, b in zip(before, (images, *weights, *biases)))
    assert all(t.grad.any() for t in (*weights, *biases))


@pytest.mark.parametrize('banded', [True, False])
def test_empty_batch(banded):
    weights, biases = parameters(2)
    rows, cols = top_left((9, 7), (4, 5))
    images = torch.empty(0, 2, 9, 7, dtype=torch.float64, requires_grad=True)
    out = texture_at(images, weights, biases, rows, cols, banded=banded)
    assert out.shape == (0, 3, 4, 5)
    assert not any(g.any() for g in gradients(out, [images, *weights, *biases]))
