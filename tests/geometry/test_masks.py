import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.geometry import ResizeMap, resize_labels
from tests.references.resampling import nearest_labels

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])


@given(lengths, lengths, lengths, lengths)
def test_matches_the_loop(height, width, h, w):
    labels = torch.arange(height * width).view(height, width)
    out = resize_labels(labels, ResizeMap((height, width), (h, w)))
    np.testing.assert_array_equal(out, nearest_labels(labels.numpy(), (h, w)))


@given(lengths, lengths, lengths, lengths)
def test_matches_nearest_exact_of_pytorch(height, width, h, w):
    labels = torch.arange(height * width).view(1, 1, height, width)
    out = resize_labels(labels, ResizeMap((height, width), (h, w)))
    expected = F.interpolate(labels.double(), (h, w), mode='nearest-exact').long()
    # PyTorch multiplies by a rounded ratio, so where an output centre lies on the edge of two pixels it may take the left one.
    edge_y = (2 * torch.arange(h) + 1) * height % (2 * h) == 0
    edge_x = (2 * torch.arange(w) + 1) * width % (2 * w) == 0
    clear = ~(edge_y[:, None] | edge_x)
    assert torch.equal(out[0, 0][clear], expected[0, 0][clear])
    assert ((out - expected) % width <= 1).all()


def test_golden_values():
    labels = torch.arange(16).view(4, 4)
    assert resize_labels(labels, ResizeMap((4, 4), (2, 2))).tolist() == [[5, 7], [13, 15]]
    labels = torch.arange(9).view(3, 3)
    assert resize_labels(labels, ResizeMap((3, 3), (1, 1))).tolist() == [[4]]
    assert resize_labels(labels[:1, :2], ResizeMap((1, 2), (2, 4))).tolist() == [[0, 0, 1, 1]] * 2


@given(lengths, lengths, lengths, lengths)
def test_no_new_labels_and_same_size_is_the_identity(height, width, h, w):
    labels = torch.randint(0, 256, (height, width), generator=torch.Generator().manual_seed(h * w))
    out = resize_labels(labels, ResizeMap((height, width), (h, w)))
    assert out.shape == (h, w)
    assert set(out.unique().tolist()) <= set(labels.unique().tolist())
    assert torch.equal(resize_labels(labels, ResizeMap((height, width), (height, width))), labels)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.bool, torch.int64, torch.int32, torch.float32, torch.bfloat16])
@pytest.mark.parametrize('leading', [(), (1,), (3, 2), (0,)])
def test_any_dtype_and_any_leading_axes(dtype, leading):
    labels = torch.randint(0, 2, (*leading, 5, 7)).to(dtype)
    before = labels.clone()
    out = resize_labels(labels, ResizeMap((5, 7), (2, 3)))
    assert out.dtype == dtype
    assert out.shape == (*leading, 2, 3)
    same = resize_labels(labels, ResizeMap((5, 7), (5, 7)))
    same.fill_(1)
    out.fill_(1)
    assert torch.equal(labels, before)


@pytest.mark.parametrize('shape', [(4, 6), (6, 4), (1, 5, 5)])
def test_masks_of_another_size_than_the_image_are_refused_by_value(shape):
    if shape == (4, 6):
        assert resize_labels(torch.zeros(shape), ResizeMap((4, 6), (2, 3))).shape == (2, 3)
        return
    with pytest.raises(ValueError, match=r'size of its image, \(4, 6\).*got') as error:
        resize_labels(torch.zeros(shape), ResizeMap((4, 6), (2, 3)))
    assert str(tuple(shape[-2:])) in str(error.value)


def test_arrays_of_numpy_are_refused_by_name():
    with pytest.raises(TypeError, match='got ndarray'):
        resize_labels(torch.zeros(4, 4).numpy(), ResizeMap((4, 4), (2, 2)))
