import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.geometry import ResizeMap, scale_boxes, scale_points

sizes = st.tuples(st.integers(1, 500), st.integers(1, 500))
shapes = st.sampled_from([(), (1,), (5,), (2, 3), (0,)])


def test_golden_values():
    resize_map = ResizeMap((300, 400), (100, 200))
    assert scale_points(torch.tensor([30.0, 30]), resize_map).tolist() == pytest.approx([15, 10])
    assert scale_boxes(torch.tensor([[0.0, 0, 400, 300]]), resize_map).tolist() == [pytest.approx([0, 0, 200, 100])]
    # not clipped, order kept
    assert scale_boxes(torch.tensor([[-40.0, 600, 10, -3]]), resize_map).tolist() == [pytest.approx([-20, 200, 5, -1])]


@given(sizes, sizes, shapes, st.integers(0, 1000))
def test_there_and_back_is_the_identity(src_hw, dst_hw, shape, seed):
    resize_map = ResizeMap(src_hw, dst_hw)
    boxes = 1000 * torch.rand(*shape, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 200
    there = scale_boxes(boxes, resize_map)
    torch.testing.assert_close(scale_boxes(there, resize_map.inverse()), boxes)
    torch.testing.assert_close(there.unflatten(-1, (2, 2)), scale_points(boxes.unflatten(-1, (2, 2)), resize_map))
    homography = torch.tensor(resize_map.homography(), dtype=torch.float64)
    points = torch.cat([boxes[..., :2], torch.ones(*shape, 1, dtype=torch.float64)], -1)
    torch.testing.assert_close(there[..., :2], (points @ homography.T)[..., :2])


@given(sizes, sizes)
def test_the_image_edges_stay_the_image_edges(src_hw, dst_hw):
    whole = torch.tensor([0, 0, src_hw[1], src_hw[0]], dtype=torch.float64)
    expected = torch.tensor([0, 0, dst_hw[1], dst_hw[0]], dtype=torch.float64)
    torch.testing.assert_close(scale_boxes(whole, ResizeMap(src_hw, dst_hw)), expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(('function', 'last'), [(scale_boxes, 4), (scale_points, 2)])
def test_dtype_is_kept_and_input_not_modified(function, last, dtype):
    values = torch.arange(4.0 * last).view(4, last).to(dtype)
    before = values.clone()
    out = function(values, ResizeMap((4, 4), (2, 2)))
    assert out.dtype == dtype
    assert torch.equal(out, before / 2)
    out.zero_()
    assert torch.equal(values, before)
    same = function(values, ResizeMap((4, 4), (4, 4)))
    same.zero_()
    assert torch.equal(values, before)


@pytest.mark.parametrize(('function', 'last'), [(scale_boxes, 4), (scale_points, 2)])
def test_differentiable(function, last):
    values = torch.rand(3, last, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: function(v, ResizeMap((7, 5), (3, 4))), (values,))


@pytest.mark.parametrize(('function', 'shape'), [(scale_boxes, (3, 5)), (scale_boxes, (2,)), (scale_points, (3, 4))])
def test_wrong_last_axis_is_refused_by_value(function, shape):
    with pytest.raises(ValueError, match=rf'got \({shape[0]},'):
        function(torch.zeros(shape), ResizeMap((4, 4), (2, 2)))


@pytest.mark.parametrize(('function', 'last'), [(scale_boxes, 4), (scale_points, 2)])
def test_whole_numbers_never_collapse_silently(function, last):
    values = torch.full((1, last), 30)
    try:
        out = function(values, ResizeMap((100, 100), (50, 50)))
    except (TypeError, ValueError) as error:
        assert 'int64' in str(error)
    else:
        assert torch.equal(out.double(), values.double() / 2)


def test_whole_numbers_become_floating_point():
    resize_map = ResizeMap((40, 40), (20, 10))
    boxes = scale_boxes(torch.tensor([[2, 3, 30, 31]]), resize_map)
    assert boxes.dtype == torch.float32 and boxes.tolist() == [[0.5, 1.5, 7.5, 15.5]]
    assert scale_points(torch.tensor([3, 3]), resize_map).tolist() == [0.75, 1.5]
