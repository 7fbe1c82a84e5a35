import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.geometry import ResizeMap

sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))


def test_golden_values():
    resize_map = ResizeMap((300, 400), (100, 160))
    assert resize_map.scale_xy == (160 / 400, 100 / 300)
    assert resize_map.homography() == ((0.4, 0, 0), (0, 1 / 3, 0), (0, 0, 1))
    assert not resize_map.is_identity
    assert ResizeMap((3, 4), (3, 4)).is_identity
    assert ResizeMap((3, 4), (3, 4)).scale_xy == (1, 1)


@given(sizes, sizes)
def test_inverse(src_hw, dst_hw):
    resize_map = ResizeMap(src_hw, dst_hw)
    assert resize_map.inverse() == ResizeMap(dst_hw, src_hw)
    assert resize_map.inverse().inverse() == resize_map
    assert resize_map.then(resize_map.inverse()).is_identity
    assert resize_map.is_identity == (src_hw == dst_hw)
    np.testing.assert_allclose(
        np.array(resize_map.inverse().homography()) @ np.array(resize_map.homography()), np.eye(3), atol=1e-12
    )


@given(sizes, sizes, sizes, sizes)
def test_composition(a, b, c, d):
    ab, bc, cd = ResizeMap(a, b), ResizeMap(b, c), ResizeMap(c, d)
    assert ab.then(bc) == ResizeMap(a, c)
    assert ab.then(bc).then(cd) == ab.then(bc.then(cd))
    assert ab.then(ResizeMap(b, b)) == ab == ResizeMap(a, a).then(ab)
    assert ab.then(bc).inverse() == bc.inverse().then(ab.inverse())
    np.testing.assert_allclose(np.array(bc.homography()) @ np.array(ab.homography()), ab.then(bc).homography())


def test_maps_that_do_not_meet_are_refused_by_value():
    with pytest.raises(ValueError, match=r'to \(2, 2\) by one from \(3, 2\)'):
        ResizeMap((4, 4), (2, 2)).then(ResizeMap((3, 2), (1, 1)))


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((0, 4), (2, 2)), ((4, 4), (2, 0)), ((4, -1), (2, 2))])
def test_sizes_below_1_are_refused_by_value(src_hw, dst_hw):
    with pytest.raises(ValueError, match='at least 1 px, got') as error:
        ResizeMap(src_hw, dst_hw)
    assert f'{src_hw} -> {dst_hw}' in str(error.value)


def test_is_a_value():
    resize_map = ResizeMap((4, 4), (2, 3))
    assert {resize_map: 1}[ResizeMap((4, 4), (2, 3))] == 1
    assert pickle.loads(pickle.dumps(resize_map)) == resize_map
    with pytest.raises(AttributeError):
        resize_map.src_hw = (1, 1)
