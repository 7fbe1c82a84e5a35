import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.ops import neighbor_indices, project, relative_distances
from tests.references import resampling

lengths = st.integers(1, 60) | st.sampled_from([1, 2, 3])
counts = st.integers(1, 6).map(lambda half: 2 * half)


@given(lengths, lengths)
def test_project_is_the_exact_centre_split_in_floor_and_rest(src, dst):
    found, offset = project(src, dst)
    assert found.dtype == torch.int64
    assert offset.dtype == torch.float64
    for o in range(dst):
        centre = resampling.centre(o, src, dst)
        left = resampling.left_neighbor(o, src, dst)
        assert found[o] == left
        assert offset[o] == float(centre - left)


def test_project_golden_values():
    assert project(4, 2)[0].tolist() == [0, 2]
    assert project(4, 2)[1].tolist() == [0.5, 0.5]
    assert project(300, 100)[0].tolist() == list(range(1, 300, 3))
    assert project(300, 100)[1].tolist() == [0.0] * 100
    # 2 -> 4: centres at -1/4, 1/4, 3/4, 5/4
    assert project(2, 4)[0].tolist() == [-1, 0, 0, 1]
    assert project(2, 4)[1].tolist() == [0.75, 0.25, 0.75, 0.25]
    assert project(1, 1)[0].tolist() == [0]
    assert project(1, 1)[1].tolist() == [0.0]


def test_project_finds_exact_hits_on_long_axes():
    found, offset = project(3 * 33331, 33331)
    assert torch.equal(found, 3 * torch.arange(33331) + 1)
    assert not offset.any()


@given(lengths, lengths)
def test_offsets_are_in_0_1_and_positions_mirror(src, dst):
    found, offset = project(src, dst)
    assert ((offset >= 0) & (offset < 1)).all()
    assert ((found >= -1) & (found < src)).all()
    position = found + offset
    torch.testing.assert_close(position + position.flip(0), torch.full_like(position, src - 1), rtol=0, atol=1e-11)


@given(lengths, lengths, counts)
def test_neighbors_and_distances_match_the_reference(src, dst, count):
    free = neighbor_indices(src, dst, count, clamp=False)
    clamped = neighbor_indices(src, dst, count)
    distances = relative_distances(src, dst, count)
    assert free.shape == clamped.shape == distances.shape == (count, dst)
    assert clamped.dtype == torch.int64
    for o in range(dst):
        expected = resampling.neighbors_of(o, src, dst, count)
        assert free[:, o].tolist() == expected
        assert clamped[:, o].tolist() == [resampling.clamp(i, src) for i in expected]
        centre = resampling.centre(o, src, dst)
        for k, i in enumerate(expected):
            assert distances[k, o].item() == pytest.approx(float(i - centre), abs=1e-12)


@given(lengths, lengths, counts)
def test_half_of_the_neighbors_lie_on_either_side(src, dst, count):
    distances = relative_distances(src, dst, count)
    assert (distances[: count // 2] <= 0).all()
    assert (distances[count // 2 :] > 0).all()
    assert distances.abs().max() <= count / 2


@pytest.mark.parametrize(('src', 'dst'), [(0, 4), (4, 0), (-3, 4), (4, -3)])
def test_lengths_below_1_are_refused_by_value(src, dst):
    with pytest.raises(ValueError, match=f'{src} -> {dst}'):
        project(src, dst)


@pytest.mark.parametrize('function', [neighbor_indices, relative_distances])
@pytest.mark.parametrize('count', [-2, 0, 1, 3, 5])
def test_odd_or_too_few_neighbors_are_refused_by_value(function, count):
    with pytest.raises(ValueError, match=f'even number.*got {count}$'):
        function(6, 3, count)
