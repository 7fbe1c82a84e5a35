"""The darkest and the brightest pixel of every output pixel, hard and soft."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from mmdownsize.ops.rank import brightness, extreme, soft_extreme
from tests.references import importance as reference
from tests.references import resampling

lengths = st.integers(1, 25) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
SIGNS = {True: 1, False: -1}
both = pytest.mark.parametrize('brightest', [True, False])


def noise(*shape, seed=0):
    return 255 * torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(sizes, sizes, st.booleans(), st.integers(1, 4), st.booleans())
def test_equals_the_reference_at_any_ratio(src_hw, dst_hw, brightest, channels, single):
    images = noise(2, channels, *src_hw).round()  # whole numbers, so that some are equally bright
    images = (images // 32).float() if single else images
    out = extreme(images, dst_hw, brightest=brightest)
    assert out.dtype == images.dtype
    expected = [reference.extreme_pixel(image.numpy(), dst_hw, brightest) for image in images.double()]
    np.testing.assert_array_equal(out, np.stack(expected))


@given(sizes, sizes)
def test_equals_the_pixels_that_adaptive_max_pooling_chooses(src_hw, dst_hw):
    """It covers the same source pixels as PyTorch's adaptive pooling: all that an output pixel overlaps."""
    images = noise(2, 3, *src_hw)
    chosen = F.adaptive_max_pool2d(brightness(images), dst_hw, return_indices=True)[1]  # (N, 1, h, w)
    expected = images.flatten(2).gather(2, chosen.flatten(2).expand(-1, 3, -1)).view(2, 3, *dst_hw)
    assert torch.equal(extreme(images, dst_hw, brightest=True), expected)
    assert torch.equal(extreme(-images, dst_hw, brightest=False), -expected)


@both
@pytest.mark.parametrize('ratio', [2, 3, 5])
def test_of_one_channel_is_cv2s_erosion_or_dilation_at_every_block(ratio, brightest):
    image = noise(ratio * 6, ratio * 7).round().numpy().astype(np.uint8)
    operation = cv2.dilate if brightest else cv2.erode
    expected = operation(image, np.ones((ratio, ratio), np.uint8), anchor=(0, 0))[::ratio, ::ratio]
    out = extreme(torch.from_numpy(image).double()[None, None], (6, 7), brightest=brightest)
    np.testing.assert_array_equal(out[0, 0], expected)


@given(sizes, sizes, st.booleans())
def test_colors_are_those_of_one_source_pixel(src_hw, dst_hw, brightest):
    """Every pixel has one hidden number in three colours. A mix of two pixels, or of two channels, is none of them."""
    height, width = src_hw
    number = torch.arange(height * width, dtype=torch.float64).view(1, 1, *src_hw)
    images = torch.cat([noise(1, 1, *src_hw), number, 2 * number], 1)
    out = extreme(images, dst_hw, brightest=brightest)
    index = out[0, 1].long()
    assert torch.equal(out[0], images.flatten(2)[0][:, index.flatten()].view(3, *dst_hw))


@both
def test_of_equal_pixels_the_leftmost_and_of_these_the_topmost(brightest):
    number = torch.arange(16.0).view(1, 1, 4, 4)
    images = torch.cat([number, -number], 1)  # all equally bright
    assert extreme(images, (1, 1), brightest=brightest)[0, 0].item() == 0
    images[0, :, 0, :2] = images[0, :, 3, 0] = 99.0 * (-1 if brightest else 1)  # out of the running
    assert extreme(images, (1, 1), brightest=brightest)[0, 0].item() == 4
    assert extreme(images, (2, 2), brightest=brightest)[0, 0].tolist() == [[4, 2], [8, 10]]


@both
def test_a_sliver_by_rounding_is_no_overlap(brightest):
    """At 49 -> 7 each output pixel covers seven pixels: its neighbours must not come in, whatever a quotient rounds to."""
    for src, dst in ((49, 7), (93, 31), (290, 29), (1000, 200)):
        ramp = torch.arange(float(src)).view(1, 1, 1, src)
        block = src // dst
        expected = torch.arange(dst) * block + (block - 1 if brightest else 0)
        assert torch.equal(extreme(ramp, (1, dst), brightest=brightest)[0, 0, 0], expected.float())


@both
def test_upsizing_takes_the_extreme_of_the_pixels_that_are_overlapped(brightest):
    ramp = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    # 3 -> 4: output pixels are 3/4 of a source pixel
    expected = [1, 2, 3, 3] if brightest else [1, 1, 2, 3]
    assert extreme(ramp, (1, 4), brightest=brightest).flatten().tolist() == expected
    assert torch.equal(extreme(ramp, (2, 6), brightest=brightest), F.interpolate(ramp, (2, 6), mode='nearest'))


@both
def test_gradient_goes_to_the_chosen_pixel(brightest):
    images = noise(1, 2, 5, 6).requires_grad_()
    out = extreme(images, (3, 3), brightest=brightest)
    (gradient,) = torch.autograd.grad(out.sum(), images)
    assert gradient.sum() == out.numel()
    torch.testing.assert_close((gradient * images).sum(), out.sum())
    assert gradcheck(lambda x: extreme(x, (3, 3), brightest=brightest), (images,))


@settings(max_examples=60)
@given(sizes, sizes, st.booleans(), st.sampled_from([0.5, 3.0, 40.0, 1000.0]))
def test_soft_is_a_mean_with_weights_by_brightness(src_hw, dst_hw, brightest, softness):
    images = noise(1, 3, *src_hw)
    exponent = SIGNS[brightest] * brightness(images)[0].numpy() / softness
    weights = np.exp(exponent - exponent.max()) + 1e-300  # so far below the highest that it is no longer a number
    out = soft_extreme(images, dst_hw, brightest=brightest, softness=softness)
    if np.ptp(exponent) < 600:
        expected = reference.weighted_resize(images[0].numpy(), weights, dst_hw, 'area')
        np.testing.assert_allclose(out[0], expected, rtol=0, atol=1e-8)
    single = soft_extreme(images.float(), dst_hw, brightest=brightest, softness=softness)
    torch.testing.assert_close(single.double(), out, rtol=0, atol=255 * 1e-6 * max(1, 255 / softness))


@given(sizes, sizes, st.booleans())
def test_softness_goes_from_the_extreme_to_the_area_kernel(src_hw, dst_hw, brightest):
    images = noise(2, 3, *src_hw).float()
    hardest = soft_extreme(images, dst_hw, brightest=brightest, softness=1e-7)
    torch.testing.assert_close(hardest, extreme(images, dst_hw, brightest=brightest), rtol=0, atol=1e-3)
    softest = soft_extreme(images, dst_hw, brightest=brightest, softness=1e8)
    expected = resampling.resize(images.numpy(), dst_hw, 'area')
    np.testing.assert_allclose(softest, expected, rtol=0, atol=1e-3)


@both
def test_soft_finds_the_extreme_of_dark_and_of_bright_regions_alike(brightest):
    """Weights are counted from each output pixel's own extreme: far from the image's mean they would all be the same."""
    dark, bright = torch.tensor([0.0, 30.0]).repeat(8), torch.tensor([220.0, 250.0]).repeat(8)
    images = torch.stack([dark, bright]).view(1, 1, 2, 16)
    out = soft_extreme(images, (2, 1), brightest=brightest, softness=0.5)
    assert out.flatten().tolist() == pytest.approx([30, 250] if brightest else [0, 220], abs=1e-9)


@both
def test_soft_of_a_constant_image_is_constant(brightest):
    images = torch.tensor([0.0, 17.0, 255.0]).view(1, 3, 1, 1).expand(2, 3, 13, 9)
    out = soft_extreme(images, (4, 5), brightest=brightest, softness=2.0)
    torch.testing.assert_close(out, images[..., :4, :5], rtol=1e-6, atol=0)


@both
@pytest.mark.parametrize('dst_hw', [(2, 3), (3, 2), (6, 7)])
def test_soft_gradients(dst_hw, brightest):
    images = noise(1, 2, 5, 6).requires_grad_()

    def call(x):
        return soft_extreme(x, dst_hw, brightest=brightest, softness=60.0)

    assert gradcheck(call, (images,))
    assert gradgradcheck(call, (images,))


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning', 'ignore:.*torch.jit.*deprecated')
@both
@pytest.mark.parametrize('softness', [0, 20.0])
def test_a_recording_holds_for_every_size(softness, brightest):
    def call(images):
        dst_hw = (images.shape[2] // 3, 5)
        if softness:
            return soft_extreme(images, dst_hw, brightest=brightest, softness=softness)
        return extreme(images, dst_hw, brightest=brightest)

    traced = torch.jit.trace(call, noise(1, 3, 30, 44), check_trace=False)
    for shape in ((2, 3, 21, 33), (1, 3, 64, 5), (3, 3, 10, 3)):
        images = noise(*shape).round()
        torch.testing.assert_close(traced(images), call(images), rtol=0, atol=1e-9)


@both
def test_inputs_are_not_modified(brightest):
    images = noise(1, 3, 8, 9)
    before = images.clone()
    extreme(images, (3, 4), brightest=brightest)
    soft_extreme(images, (3, 4), brightest=brightest, softness=1.0)
    assert torch.equal(images, before)
