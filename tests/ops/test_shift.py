import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.ops.shift import read_shifted

ramp = torch.arange(12).view(3, 4)


def test_an_offset_above_0_moves_the_content_up_and_left():
    assert read_shifted(ramp, (1, 0)).tolist() == [[4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11]]
    assert read_shifted(ramp, (0, 2)).tolist() == [[2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]
    assert read_shifted(ramp, (-1, 0), fill=255).tolist() == [[255] * 4, [0, 1, 2, 3], [4, 5, 6, 7]]
    assert read_shifted(ramp, (0, -3), fill=255).tolist() == [
        [255, 255, 255, 0],
        [255, 255, 255, 4],
        [255, 255, 255, 8],
    ]


@given(
    st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([None, 99]), st.sampled_from([torch.uint8, torch.float64])
)
def test_every_pixel_is_the_one_so_much_further(dy, dx, fill, dtype):
    images = torch.arange(2 * 5 * 7).view(2, 5, 7).to(dtype)
    before = images.clone()
    out = read_shifted(images, (dy, dx), fill)
    assert (out.shape, out.dtype) == (images.shape, dtype)
    assert torch.equal(images, before)
    for y in range(5):
        for x in range(7):
            inside = 0 <= y + dy < 5 and 0 <= x + dx < 7
            edge = images[:, min(max(y + dy, 0), 4), min(max(x + dx, 0), 6)]
            assert torch.equal(out[:, y, x], edge if inside or fill is None else torch.full_like(edge, fill))


def test_it_is_differentiable():
    images = torch.rand(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: read_shifted(x, (1, -2)), (images,))
    assert torch.autograd.gradcheck(lambda x: read_shifted(x, (1, -2), 0), (images,))


def test_an_offset_has_two_parts():
    with pytest.raises(ValueError, match='zip'):
        read_shifted(ramp, (1,))
