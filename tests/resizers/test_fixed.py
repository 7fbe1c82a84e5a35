import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from mmdownsize.ops.rank import extreme, soft_extreme
from mmdownsize.resizers import FixedResizer
from tests.references import resampling

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
# (kernel, antialias) and the kernel of the reference that it is
MODES = {
    ('nearest', False): 'nearest',
    ('bilinear', False): 'bilinear',
    ('bilinear', True): 'triangle',
    ('bicubic', False): 'bicubic',
    ('bicubic', True): 'bicubic_antialias',
    ('area', False): 'area',
    ('sharp_area', False): 'sharp_area',
    ('lanczos', False): 'lanczos',
    ('lanczos', True): 'lanczos_antialias',
}
modes = st.sampled_from(sorted(MODES))


def images(src_hw, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1000 * src_hw[0] + src_hw[1])
    return (255 * torch.rand(1, channels, *src_hw, dtype=torch.float64, generator=generator)).to(dtype)


def cv2_resize(source, dst_hw, mode):
    """(1, C, H, W) -> (1, C, h, w), channel by channel."""
    planes = [cv2.resize(plane, dst_hw[::-1], interpolation=mode) for plane in source[0].numpy()]
    return torch.from_numpy(np.stack(planes))[None]


def on_an_edge(src, dst):
    """Output pixels whose centre lies on the edge of two source pixels."""
    return (2 * torch.arange(dst) + 1) * src % (2 * dst) == 0


@given(modes, sizes, sizes)
def test_matches_the_float64_reference(mode, src_hw, dst_hw):
    kernel, antialias = mode
    source = images(src_hw)
    out = FixedResizer(kernel=kernel, antialias=antialias)(source, dst_hw)
    expected = torch.from_numpy(resampling.resize(source.numpy(), dst_hw, MODES[mode]))
    clear = torch.ones(dst_hw, dtype=torch.bool)
    if kernel == 'nearest':  # PyTorch multiplies by a rounded ratio and may take the other of two equally near
        clear = ~(on_an_edge(src_hw[0], dst_hw[0])[:, None] | on_an_edge(src_hw[1], dst_hw[1]))
    torch.testing.assert_close(out[..., clear], expected[..., clear], rtol=0, atol=1e-9)


@given(st.sampled_from(['nearest', 'bilinear', 'bicubic']), st.booleans(), sizes, sizes, st.booleans())
def test_equals_torch_interpolate(kernel, antialias, src_hw, dst_hw, double):
    assume(not (antialias and kernel == 'nearest'))
    # PyTorch 2.13 repeats the first row in an antialiased resize to a width of 1 that changes the height.
    assume(not antialias or dst_hw[1] > 1)
    source = images(src_hw, dtype=torch.float64 if double else torch.float32)
    mode = 'nearest-exact' if kernel == 'nearest' else kernel
    expected = F.interpolate(source, dst_hw, mode=mode, antialias=antialias)
    out = FixedResizer(kernel=kernel, antialias=antialias)(source, dst_hw)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-9 if double else 1e-3)


@given(st.sampled_from(['bilinear', 'bicubic', 'lanczos']), sizes, sizes)
def test_equals_cv2(kernel, src_hw, dst_hw):
    mode = {'bilinear': cv2.INTER_LINEAR, 'bicubic': cv2.INTER_CUBIC, 'lanczos': cv2.INTER_LANCZOS4}[kernel]
    source = images(src_hw)
    out = FixedResizer(kernel=kernel)(source, dst_hw)
    # cv2 rounds coordinates to float32, up to 2e-6 px here, also for float64 images; a slope is up to 255 a px and axis
    torch.testing.assert_close(out, cv2_resize(source, dst_hw, mode), rtol=0, atol=2e-3)
    single = FixedResizer(kernel=kernel)(source.float(), dst_hw)
    torch.testing.assert_close(single, cv2_resize(source.float(), dst_hw, mode), rtol=0, atol=4e-3)


@given(sizes, sizes)
def test_area_equals_cv2_when_downsizing(src_hw, dst_hw):
    dst_hw = (min(src_hw[0], dst_hw[0]), min(src_hw[1], dst_hw[1]))
    source = images(src_hw)
    out = FixedResizer(kernel='area')(source, dst_hw)
    # cv2 keeps the shares of pixels in float32
    torch.testing.assert_close(out, cv2_resize(source, dst_hw, cv2.INTER_AREA), rtol=0, atol=2e-4)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 6), st.integers(1, 6))
def test_area_is_the_mean_of_blocks_at_integer_ratios(h, w, by_y, by_x):
    source = images((h * by_y, w * by_x))
    out = FixedResizer(kernel='area')(source, (h, w))
    torch.testing.assert_close(out, F.avg_pool2d(source, (by_y, by_x)), rtol=0, atol=1e-10)
    torch.testing.assert_close(out, cv2_resize(source, (h, w), cv2.INTER_AREA), rtol=0, atol=2e-4)


@given(st.sampled_from(['bilinear', 'bicubic', 'lanczos']), sizes, sizes)
def test_antialiased_equals_pil(kernel, src_hw, dst_hw):
    mode = {'bilinear': Image.BILINEAR, 'bicubic': Image.BICUBIC, 'lanczos': Image.LANCZOS}[kernel]
    source = images(src_hw, channels=1, dtype=torch.float32)
    image = Image.fromarray(source[0, 0].numpy())
    assert image.mode == 'F'
    expected = torch.from_numpy(np.array(image.resize(dst_hw[::-1], mode, reducing_gap=None)))
    out = FixedResizer(kernel=kernel, antialias=True)(source.double(), dst_hw)
    # PIL sums in float64 and stores float32 between its two passes and after
    torch.testing.assert_close(out[0, 0], expected.double(), rtol=0, atol=2e-4)


@pytest.mark.parametrize('kernel', ['bilinear', 'bicubic', 'lanczos'])
@pytest.mark.parametrize(
    ('src_hw', 'dst_hw'), [((31, 1), (21, 1)), ((31, 7), (21, 1)), ((7, 31), (1, 21)), ((9, 9), (3, 1))]
)
def test_antialiased_to_a_single_row_or_column(kernel, src_hw, dst_hw):
    source = images(src_hw)
    expected = resampling.resize(source.numpy(), dst_hw, MODES[kernel, True])
    for dtype in (torch.float64, torch.float32):
        out = FixedResizer(kernel=kernel, antialias=True)(source.to(dtype), dst_hw)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3)


@given(modes.filter(lambda mode: mode[0] != 'nearest'), sizes, sizes)
def test_commutes_with_flips(mode, src_hw, dst_hw):
    kernel, antialias = mode
    resizer = FixedResizer(kernel=kernel, antialias=antialias)
    source = images(src_hw)
    for axes in ([-1], [-2], [-2, -1]):
        flipped = resizer(source.flip(axes), dst_hw).flip(axes)
        torch.testing.assert_close(flipped, resizer(source, dst_hw), rtol=0, atol=1e-9)


@given(modes, sizes)
def test_same_size_is_the_identity(mode, src_hw):
    kernel, antialias = mode
    source = images(src_hw)
    torch.testing.assert_close(
        FixedResizer(kernel=kernel, antialias=antialias)(source, src_hw), source, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(
    ('kernel', 'antialias', 'expected'),
    [
        ('nearest', False, [1, 4]),
        ('bilinear', False, [1, 4]),
        ('area', False, [1, 4]),
        # (0 * 2 + 1 * 3 + 2 * 2 + 3 * 1) / 8: the pixel left of the image is left out
        ('bilinear', True, [10 / 8, 30 / 8]),
    ],
)
def test_golden_ramp_6_to_2(kernel, antialias, expected):
    ramp = torch.arange(6, dtype=torch.float64).view(1, 1, 1, 6)
    out = FixedResizer(kernel=kernel, antialias=antialias)(ramp.expand(1, 1, 6, 6), (2, 2))
    assert out[0, 0].tolist() == [pytest.approx(expected)] * 2


def test_area_golden_value_at_a_fractional_ratio():
    ramp = torch.arange(3, dtype=torch.float64).view(1, 1, 1, 3)
    out = FixedResizer(kernel='area')(ramp, (1, 2))
    assert out.flatten().tolist() == pytest.approx([1 / 3, 5 / 3])


@pytest.mark.parametrize('channels', [1, 3, 5])
@pytest.mark.parametrize('mode', sorted(MODES))
def test_any_number_of_channels_and_no_parameters(mode, channels):
    kernel, antialias = mode
    resizer = FixedResizer(kernel=kernel, antialias=antialias)
    assert not list(resizer.parameters()) + list(resizer.buffers())
    source = images((9, 7), channels)
    out = resizer(source, (4, 5))
    single = torch.cat([resizer(source[:, c : c + 1], (4, 5)) for c in range(channels)], 1)
    torch.testing.assert_close(out, single, rtol=0, atol=1e-10)
    assert repr(kernel) in repr(resizer)


@pytest.mark.parametrize('mode', sorted(MODES))
def test_gradcheck(mode):
    kernel, antialias = mode
    resizer = FixedResizer(kernel=kernel, antialias=antialias)
    source = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resizer(x, (3, 4)), (source,))
    assert torch.autograd.gradcheck(lambda x: resizer(x, (7, 8)), (source,))


@given(modes, sizes, sizes, st.integers(-6, 6), st.integers(-6, 6))
def test_a_shift_reads_as_far_further_down_and_right(mode, src_hw, dst_hw, down, right):
    kernel, antialias = mode
    assume(abs(down) < src_hw[0] and abs(right) < src_hw[1])
    source = images(src_hw)
    rows = np.clip(np.arange(src_hw[0]) + down, 0, src_hw[0] - 1)
    columns = np.clip(np.arange(src_hw[1]) + right, 0, src_hw[1] - 1)
    moved = torch.from_numpy(source.numpy()[..., rows[:, None], columns])
    out = FixedResizer(kernel=kernel, antialias=antialias, shift=(down, right))(source, dst_hw)
    assert torch.equal(out, FixedResizer(kernel=kernel, antialias=antialias)(moved, dst_hw))


def test_golden_shift():
    ramp = torch.arange(9, dtype=torch.uint8).expand(1, 1, 9, 9)  # 0 .. 8 from left to right
    resizer = FixedResizer(kernel='area', shift=(0, 2))
    assert resizer(ramp.float(), (3, 3))[0, 0, 0].tolist() == pytest.approx([3, 6, 8])
    assert resizer(ramp.mT.float(), (3, 3))[0, 0, :, 0].tolist() == pytest.approx(
        [1, 4, 7]
    )  # along the other axis: nothing
    assert 'shift=(0, 2)' in repr(resizer) and 'shift' not in repr(FixedResizer())


@pytest.mark.parametrize('shift', [2, (1,), (1, 2, 3), (1.0, 2), (True, 0), '12', None])
def test_a_shift_that_is_no_pair_of_whole_numbers_is_refused(shift):
    with pytest.raises(ValueError, match=r'shift must be \(down, right\), two whole numbers, got '):
        FixedResizer(shift=shift)


@pytest.mark.parametrize('shift', [(9, 0), (-9, 0), (0, 7), (0, -8)])
def test_a_shift_as_long_as_the_image_is_refused(shift):
    with pytest.raises(ValueError, match=r'shift=\(.*leaves nothing of images of \(9, 7\)'):
        FixedResizer(shift=shift)(images((9, 7)), (4, 3))


def test_unknown_kernels_are_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"'linear'.*nearest, bilinear, bicubic, area, sharp_area, lanczos, darkest, brightest"
    ):
        FixedResizer(kernel='linear')


@pytest.mark.parametrize('kernel', ['nearest', 'area', 'sharp_area', 'darkest', 'brightest'])
def test_antialiasing_without_a_meaning_is_refused(kernel):
    with pytest.raises(ValueError, match=f'antialias=True.*{kernel}'):
        FixedResizer(kernel=kernel, antialias=True)


@pytest.mark.parametrize('brightest', [True, False])
@pytest.mark.parametrize('dst_hw', [(6, 5), (7, 11), (20, 30)])
def test_rank_filters_are_those_of_ops(dst_hw, brightest):
    source = images((14, 11), dtype=torch.float32)
    kernel = 'brightest' if brightest else 'darkest'
    hard, soft = FixedResizer(kernel=kernel), FixedResizer(kernel=kernel, softness=12)
    assert torch.equal(hard(source, dst_hw), extreme(source, dst_hw, brightest=brightest))
    assert torch.equal(soft(source, dst_hw), soft_extreme(source, dst_hw, brightest=brightest, softness=12.0))
    assert 'softness=12' in repr(soft) and 'softness' not in repr(hard)
    for resizer in (hard, soft):
        assert resizer(source.half(), dst_hw).dtype == torch.float16


@given(st.sampled_from(['darkest', 'brightest']), st.sampled_from([0, 30.0]), sizes, sizes)
def test_rank_filters_commute_with_flips(kernel, softness, src_hw, dst_hw):
    resizer = FixedResizer(kernel=kernel, softness=softness)
    source = images(src_hw)
    for axes in ([-1], [-2], [-2, -1]):
        flipped = resizer(source.flip(axes), dst_hw).flip(axes)
        torch.testing.assert_close(flipped, resizer(source, dst_hw), rtol=0, atol=1e-9)


def test_a_thin_dark_line_stays_dark():
    source = torch.full((1, 3, 12, 12), 200.0)
    source[..., 5] = 40.0  # one pixel wide: a mean over four leaves a quarter of it
    assert FixedResizer(kernel='area')(source, (3, 3))[0, 0, :, 1].tolist() == [160.0] * 3
    assert FixedResizer(kernel='darkest')(source, (3, 3))[0, 0].tolist() == [[200.0, 40.0, 200.0]] * 3
    assert FixedResizer(kernel='brightest')(255 - source, (3, 3))[0, 0].tolist() == [[55.0, 215.0, 55.0]] * 3


@pytest.mark.parametrize('softness', [-1.0, float('inf'), float('nan'), '5', True])
def test_a_softness_that_is_none_is_refused(softness):
    with pytest.raises(ValueError, match='softness must be a number above 0, and finite, got'):
        FixedResizer(kernel='darkest', softness=softness)


@pytest.mark.parametrize('kernel', ['area', 'bilinear'])
def test_softness_without_a_meaning_is_refused(kernel):
    with pytest.raises(ValueError, match=f"softness=2.0 has no meaning for kernel='{kernel}': leave it out, or say 0"):
        FixedResizer(kernel=kernel, softness=2.0)
