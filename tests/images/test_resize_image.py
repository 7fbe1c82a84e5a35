"""An image is resized whatever it is kept in, and comes back as what it was."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mmdownsize
from mmdownsize import resize_image
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer
from mmdownsize.resizers.named import FIXED

NAME = 'downsizenet_6x6_signed_voc2012'
H, W = 12, 18
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (H, W, 3), np.uint8)


@pytest.fixture(autouse=True)
def _one_thread(single_thread):
    pass


def mean_of_thirds(array):
    """The mean over 3 x 3 pixels of (H, W, ...), float64: what 'area' is at a third."""
    h, w = array.shape[0] // 3, array.shape[1] // 3
    return array.astype(np.float64).reshape(h, 3, w, 3, *array.shape[2:]).mean((1, 3))


def rounded(array, dtype):
    return array.round().astype(dtype) if np.dtype(dtype).kind != 'f' else array.astype(dtype)


DTYPES = ['uint8', 'int8', 'uint16', 'int16', '>u2', 'int32', 'uint32', 'int64', 'float16', 'float32', 'float64']


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('shape', [(H, W), (H, W, 1), (H, W, 3), (H, W, 5)])
def test_an_array_of_any_shape_and_dtype(shape, dtype):
    lowest = 0 if np.dtype(dtype).kind == 'u' else -100
    image = RNG.integers(lowest, 128, shape).astype(dtype)
    before = image.copy()
    image.setflags(write=False)  # as np.asarray gives it of a PIL image
    small = resize_image(image, scale_factor=1 / 3)
    assert small.dtype == image.dtype and small.flags.c_contiguous and small.flags.writeable
    expected = rounded(mean_of_thirds(image), dtype)
    np.testing.assert_allclose(small.astype(np.float64), expected.astype(np.float64), rtol=1e-3, atol=1e-4)
    assert np.array_equal(image, before)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.uint16, torch.int64, torch.float16, torch.float32, torch.float64])
def test_a_tensor_is_the_array_with_its_channels_first(dtype):
    array = RNG.integers(0, 128, (2, H, W, 3))
    small = resize_image(array, (6, 4))
    batch = torch.from_numpy(array).movedim(-1, 1).to(dtype)
    for tensor, expected in ((batch, small), (batch[0], small[0]), (batch[0, 0], small[0, ..., 0])):
        out = resize_image(tensor, (6, 4))
        assert out.dtype == dtype and out.shape[-2:] == (4, 6)
        last = out.movedim(-3, -1) if out.ndim > 2 else out
        np.testing.assert_allclose(last.double().numpy(), expected, atol=0 if not dtype.is_floating_point else 0.51)


@pytest.mark.parametrize('resizer', ['area', 'lanczos_antialias', NAME])
def test_a_batch_is_its_images(resizer):
    batch = RNG.integers(0, 256, (3, H, W, 3), np.uint8)
    small = resize_image(batch, (6, 4), resizer=resizer)
    assert small.shape == (3, 4, 6, 3)
    for image, expected in zip(batch, small, strict=True):
        assert np.abs(resize_image(image, (6, 4), resizer=resizer).astype(int) - expected).max() <= 1
    assert resize_image(batch[:0], (6, 4), resizer=resizer).shape == (0, 4, 6, 3)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'LA', 'I;16', 'I', 'F', '1', 'P'])
def test_a_pil_image_of_any_mode(mode):
    depth = {'L': 1, 'RGB': 3, 'RGBA': 4, 'LA': 2}.get(mode, 1)
    values = np.full((H, W, depth), 77, np.uint8).squeeze()
    image = {
        'I;16': lambda: Image.fromarray(np.full((H, W), 7700, np.uint16)),
        'I': lambda: Image.fromarray(np.full((H, W), 770_000, np.int32)),
        'F': lambda: Image.fromarray(np.full((H, W), 0.77, np.float32)),
        '1': lambda: Image.new('1', (W, H), 1),
        'P': lambda: Image.new('RGB', (W, H), (7, 77, 177)).quantize(8),
    }.get(mode, lambda: Image.fromarray(values))()
    assert image.mode == mode
    image.info['icc_profile'] = b'kept'
    small = resize_image(image, (6, 4))
    assert small.size == (6, 4) and small.info['icc_profile'] == b'kept'
    assert small.mode == {'1': 'L', 'P': 'RGB'}.get(mode, mode)
    same = image.convert(small.mode).getpixel((0, 0))
    assert all(small.getpixel((x, y)) == pytest.approx(same, abs=1e-5) for x in range(6) for y in range(4))


def test_a_palette_stays_with_nearest():
    image = Image.fromarray(PHOTO).quantize(16)
    small = resize_image(image, (6, 4), resizer='nearest')
    assert small.mode == 'P' and small.getpalette() == image.getpalette()
    assert np.array_equal(np.asarray(small), np.asarray(image)[1::3, 1::3])


def test_a_transparent_colour_becomes_alpha():
    image = Image.new('P', (W, H), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, W // 2, H))
    image.info['transparency'] = 0
    small = resize_image(image, (6, 4))
    assert small.mode == 'RGBA' and 'transparency' not in small.info
    assert small.getpixel((0, 0))[3] == 0 and small.getpixel((5, 0)) == (0, 0, 255, 255)


@pytest.mark.parametrize('resizer', ['area', 'lanczos_antialias', 'bilinear', 'darkest', 'brightest'])
def test_transparent_pixels_do_not_bleed(resizer):
    """A blue disc; around it nothing, in red."""
    x, y = np.meshgrid(np.arange(48) - 23.5, np.arange(48) - 23.5)
    inside = x * x + y * y < 15**2
    image = np.where(inside[..., None], [0, 0, 255, 255], [255, 0, 0, 0]).astype(np.uint8)
    small = np.asarray(resize_image(Image.fromarray(image), scale_factor=0.3, resizer=resizer)).astype(int)
    visible, alpha = small[..., 3] > 8, small[..., 3]
    assert alpha.max() == 255 and alpha.min() == 0
    assert ((alpha > 8) & (alpha < 247)).any() == (resizer not in ('darkest', 'brightest'))
    assert small[visible][:, 0].max() == 0 and small[visible][:, 2].min() >= 253


def test_an_opaque_image_with_alpha_is_its_colours():
    opaque = np.dstack([PHOTO, np.full((H, W), 255, np.uint8)])
    for resizer in ('lanczos_antialias', NAME):
        small = np.asarray(resize_image(Image.fromarray(opaque), (6, 4), resizer=resizer))
        assert np.array_equal(small[..., :3], resize_image(PHOTO, (6, 4), resizer=resizer))
        assert (small[..., 3] == 255).all()


def test_what_sharpens_is_limited_not_wrapped():
    steps = np.zeros((32, 32), np.uint8)
    steps[:, 16:] = 255
    exact = resize_image(steps.astype(np.float32), (11, 11), resizer='lanczos_antialias')
    assert exact.min() < -1 and exact.max() > 256  # floats stay as they come
    small = resize_image(steps, (11, 11), resizer='lanczos_antialias')
    assert np.array_equal(small, exact.round().clip(0, 255).astype(np.uint8))
    twelve_bits = resize_image(
        steps.astype(np.uint16) * 16, (11, 11), resizer='lanczos_antialias', value_range=(0, 4080)
    )
    assert twelve_bits.max() == 4080
    largest = resize_image(np.full((4, 4), 2**63 - 1), (2, 2))
    assert (largest > 2**62).all()  # float64 has not all of them


def test_trained_weights_get_the_colours_that_they_know():
    net = DownsizeNet.from_pretrained(NAME, frozen=True)
    assert net.color_order == 'BGR'
    bgr = torch.from_numpy(PHOTO[..., ::-1].copy()).movedim(-1, 0)[None]
    expected = net(bgr, (4, 6)).round().clamp(0, 255).byte()[0].movedim(0, -1).numpy()
    assert np.array_equal(resize_image(PHOTO, (6, 4), resizer=NAME), expected[..., ::-1])
    assert np.array_equal(resize_image(PHOTO[..., ::-1], (6, 4), resizer=NAME, colour='bgr'), expected)
    assert np.array_equal(np.asarray(resize_image(Image.fromarray(PHOTO), (6, 4), resizer=net)), expected[..., ::-1])
    assert not np.array_equal(resize_image(PHOTO, (6, 4), resizer=NAME, colour='bgr'), expected[..., ::-1])
    # Four channels have no order, and a fixed kernel knows none.
    assert np.array_equal(resize_image(PHOTO, 4), resize_image(PHOTO, 4, colour='bgr'))


def test_trained_weights_get_the_values_that_they_know():
    expected = resize_image(PHOTO.astype(np.float64), (6, 4), resizer=NAME)
    call = functools.partial(resize_image, size=(6, 4), resizer=NAME)
    unit = call(PHOTO / 255, value_range=(0, 1))
    np.testing.assert_allclose(unit * 255, expected, atol=1e-3)
    np.testing.assert_allclose(call(PHOTO.astype(np.int32), value_range=(0, 255)), expected.clip(0, 255), atol=0.51)
    sixteen = call(PHOTO.astype(np.uint16) * 257)
    assert sixteen.dtype == np.uint16
    np.testing.assert_allclose(sixteen / 257, expected.clip(0, 255), atol=0.01)
    with pytest.warns(UserWarning, match='is for images of 0 to 255, and this batch has'):
        resize_image(PHOTO / 255, (6, 4), resizer=DownsizeNet.from_pretrained(NAME))


def test_trained_weights_take_grey_images():
    for image in (PHOTO[..., 0], Image.fromarray(PHOTO[..., 0])):
        small = np.asarray(resize_image(image, (6, 4), resizer=NAME))
        coloured = resize_image(np.repeat(PHOTO[..., :1], 3, -1), (6, 4), resizer=NAME)
        assert small.shape == (4, 6) and np.array_equal(small, coloured[..., 0])
    net = ImportanceResizer(in_channels=1)
    assert resize_image(PHOTO[..., 0], 4, resizer=net).shape == (4, 4)


def test_a_module_is_as_it_was_and_floats_are_differentiable():
    net = LearnedResizer()  # with batch norms
    net.blocks[0].eval()
    modes = [part.training for part in net.modules()]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    image = (torch.rand(3, H, W) * 255).requires_grad_()
    small = resize_image(image, (6, 4), resizer=net)
    assert torch.equal(small, resize_image(image, (6, 4), resizer=net.eval()))
    net.train()
    net.blocks[0].eval()
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    small.sum().backward()
    assert image.grad.any() and next(net.parameters()).grad is not None
    resize_image(PHOTO, (6, 4), resizer=net)  # an array needs no detach()
    assert not resize_image(torch.rand(3, H, W) * 255, (6, 4), resizer=NAME).requires_grad


def test_any_module_that_takes_images_and_a_size_will_do():
    class Halves(nn.Module):
        def forward(self, images, dst_hw):
            assert images.is_floating_point()
            return nn.functional.interpolate(images, dst_hw, mode='area')

    assert np.array_equal(resize_image(PHOTO, (9, 6), resizer=Halves()), resize_image(PHOTO, (9, 6)))


def test_sizes_are_w_h_and_one_integer_is_a_square():
    assert resize_image(PHOTO, (6, 4)).shape == (4, 6, 3)
    assert resize_image(PHOTO, 5).shape == (5, 5, 3)
    assert resize_image(PHOTO, scale_factor=(0.5, 1 / 3)).shape == (4, 9, 3)
    assert resize_image(Image.fromarray(PHOTO), (6, 4)).size == (6, 4)


@pytest.mark.filterwarnings('ignore:this DownsizeNet was trained at')
@pytest.mark.parametrize('name', [*FIXED, *mmdownsize.list_pretrained()])
def test_every_name_resizes(name):
    assert resize_image(PHOTO, (6, 4), resizer=name).shape == (4, 6, 3)


def test_a_name_is_loaded_once():
    from mmdownsize.images.resize import how

    assert how(4, None, NAME).resizer is how(5, None, NAME).resizer
    assert isinstance(how(4, None, 'area').resizer, FixedResizer)
