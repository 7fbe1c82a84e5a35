"""Resizing an axis at a time, against dense float64 matrices."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from mmdownsize.ops import separable
from mmdownsize.ops.kernels import KERNELS
from mmdownsize.ops.separable import Axis, axis_of, resample, resample_axis, weighted_mean
from tests.references import importance as reference
from tests.references import resampling

lengths = st.integers(1, 30) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
NON_NEGATIVE = ('nearest', 'bilinear', 'triangle', 'area')


def noise(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def axes_of(kernel, src_hw, dst_hw, like=None):
    like = torch.empty(0, dtype=torch.float64) if like is None else like
    return [axis_of(KERNELS[kernel], src, dst, like) for src, dst in zip(src_hw, dst_hw)]


@given(st.sampled_from(sorted(KERNELS)), lengths, lengths)
def test_an_axis_is_a_row_of_the_matrix_for_every_output_pixel(kernel, src, dst):
    axis = axis_of(KERNELS[kernel], src, dst, torch.empty(0, dtype=torch.float64))
    found = np.zeros((dst, src))
    for indices, weights in zip(axis.indices, axis.weights):
        for o in range(dst):
            found[o, indices[o]] += weights[o]
    np.testing.assert_allclose(found, resampling.matrix(kernel, src, dst), rtol=0, atol=1e-12)
    assert bool((axis.indices.diff(dim=0) >= 0).all())
    torch.testing.assert_close(axis.weights.sum(0), torch.ones(dst, dtype=torch.float64))
    assert axis.block == (src // dst if kernel == 'area' and src % dst == 0 else 0)


@given(st.sampled_from(sorted(KERNELS)), sizes, sizes)
def test_resample_equals_the_matrices(kernel, src_hw, dst_hw):
    images = 255 * noise(2, 3, *src_hw)
    out = resample(images, *axes_of(kernel, src_hw, dst_hw))
    np.testing.assert_allclose(out, resampling.resize(images.numpy(), dst_hw, kernel), rtol=0, atol=1e-9)


@pytest.mark.parametrize('torch_has_lanczos', [True, False])
@given(kernel=st.sampled_from(sorted(KERNELS)), src_hw=sizes, dst_hw=sizes)
def test_resize_equals_the_matrices_whatever_operator_it_takes(torch_has_lanczos, kernel, src_hw, dst_hw):
    images = 255 * noise(2, 3, *src_hw)
    with pytest.MonkeyPatch.context() as patch:
        if not torch_has_lanczos:
            patch.setattr(separable, '_has_lanczos', lambda: False)
        out = separable.resize(images, dst_hw, kernel)
    np.testing.assert_allclose(out, resampling.resize(images.numpy(), dst_hw, kernel), rtol=0, atol=1e-9)


@pytest.mark.parametrize('kernel', sorted(KERNELS))
@pytest.mark.parametrize('dst_hw', [(5, 6), (4, 7), (20, 1)])
def test_bytes_and_half_precision_are_summed_in_float32(kernel, dst_hw):
    images = (255 * noise(3, 3, 20, 30)).round()
    wanted = separable.resize(images.float(), dst_hw, kernel)
    assert wanted.dtype == torch.float32
    for dtype in (torch.uint8, torch.bfloat16, torch.float16):
        assert torch.equal(separable.resize(images.to(dtype), dst_hw, kernel), wanted)
    assert separable.resize(images[:0].byte(), dst_hw, kernel).shape == (0, 3, *dst_hw)


@given(st.sampled_from(sorted(KERNELS)), lengths, lengths, st.data())
def test_a_part_of_an_axis_needs_its_span_alone(kernel, src, dst, data):
    begin = data.draw(st.integers(0, dst - 1))
    target = slice(begin, data.draw(st.integers(begin + 1, dst)))
    rows, cols = axes_of(kernel, (src, 5), (dst, 2))
    images = noise(1, 2, src, 5)
    span = rows.span(target)
    assert 0 <= span.start < span.stop <= src
    part = resample(images[:, :, span], rows.part(target), cols)
    torch.testing.assert_close(part, resample(images, rows, cols)[:, :, target], rtol=0, atol=1e-12)


def test_blocks_are_means_of_their_own_pixels():
    rows, cols = axes_of('area', (12, 9), (3, 3))
    assert (rows.block, cols.block) == (4, 3)
    images = noise(1, 2, 12, 9)
    plain = [Axis(axis.indices, axis.weights) for axis in (rows, cols)]
    torch.testing.assert_close(resample(images, rows, cols), F.avg_pool2d(images, (4, 3)))
    torch.testing.assert_close(resample(images, *plain), F.avg_pool2d(images, (4, 3)))


@settings(max_examples=40)
@given(st.sampled_from(NON_NEGATIVE), sizes, sizes, st.booleans())
def test_weighted_mean_equals_the_reference(kernel, src_hw, dst_hw, per_channel):
    images = 255 * noise(1, 2, *src_hw)
    weights = (3 * torch.randn(1, 2 if per_channel else 1, *src_hw, dtype=torch.float64)).exp()
    out = weighted_mean(images, weights, *axes_of(kernel, src_hw, dst_hw))
    expected = reference.weighted_resize(images[0].numpy(), weights[0].numpy(), dst_hw, kernel)
    np.testing.assert_allclose(out[0], expected, rtol=0, atol=1e-9)


def test_golden_weighted_mean():
    images, weights = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([1.0, 3.0, 1.0, 0.25])
    rows, cols = axes_of('area', (1, 4), (1, 2), images)
    out = weighted_mean(images.view(1, 1, 1, 4), weights.view(1, 1, 1, 4), rows, cols)
    assert out.flatten().tolist() == pytest.approx([(10 + 60) / 4, (30 + 10) / 1.25])


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning', 'ignore:.*torch.jit.*deprecated')
@pytest.mark.parametrize('kernel', sorted(KERNELS))
def test_a_recording_holds_for_every_length(kernel):
    def call(images):
        return resample_axis(images, 2, axis_of(KERNELS[kernel], images.shape[2], 7, images))

    traced = torch.jit.trace(call, noise(1, 2, 30, 3), check_trace=False)
    for length in (7, 14, 23, 61):
        images = noise(2, 2, length, 4)
        torch.testing.assert_close(traced(images), call(images), rtol=0, atol=1e-12)


@pytest.mark.parametrize('dst_hw', [(2, 3), (3, 2), (7, 8)])
@pytest.mark.parametrize('kernel', NON_NEGATIVE)
def test_gradcheck(kernel, dst_hw):
    images, weights = (noise(1, c, 6, 6, seed=c).requires_grad_() for c in (2, 1))
    rows, cols = axes_of(kernel, (6, 6), dst_hw)
    assert gradcheck(lambda x, w: weighted_mean(x, w + 0.5, rows, cols), (images, weights))


def test_inputs_are_not_modified():
    images, weights = noise(1, 2, 6, 6), noise(1, 1, 6, 6) + 1
    before = images.clone(), weights.clone()
    weighted_mean(images, weights, *axes_of('area', (6, 6), (2, 3)))
    assert torch.equal(images, before[0]) and torch.equal(weights, before[1])
