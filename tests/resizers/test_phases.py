import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.resizers.phases import DISTANCES, PhaseSpec, logits_by_distance, phases_of
from tests.references.downsize_net import distance_vector
from tests.references.sizes import auto_count

lengths = st.integers(1, 12) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)


def phases(src_hw, dst_hw, start='bilinear', distance='bilinear', neighbors=2, dtype=torch.float64):
    slots = 4 if neighbors == 'auto' else neighbors
    return phases_of(PhaseSpec(start, distance, neighbors, slots, src_hw, dst_hw), torch.device('cpu'), dtype)


def distance_map(distance, made):
    """(D, h, w), read off by the weights that pick one channel each."""
    channels = DISTANCES[distance](4) if distance in DISTANCES else 0
    if distance in ('area', 'triangle'):
        channels = len(made.distances_y) * len(made.distances_x)
    eye = torch.eye(channels, dtype=made.distances_y.dtype)
    return logits_by_distance(distance, eye, torch.zeros(channels, dtype=eye.dtype), made)


@settings(max_examples=60)
@given(sizes, sizes, st.sampled_from(sorted(DISTANCES)), st.sampled_from([2, 4, 'auto']))
def test_every_distance_encoding_matches_the_reference(src_hw, dst_hw, distance, neighbors):
    slots = 4 if neighbors == 'auto' else neighbors
    counts = [auto_count(s, d) if neighbors == 'auto' else neighbors for s, d in zip(src_hw, dst_hw)]
    out = distance_map(distance, phases(src_hw, dst_hw, distance=distance, neighbors=neighbors))
    assert out.shape == (DISTANCES[distance](slots), *dst_hw)
    for i in range(dst_hw[0]):
        for j in range(dst_hw[1]):
            expected = distance_vector(distance, i, j, src_hw, dst_hw, counts, slots)
            assert out[:, i, j].tolist() == pytest.approx(expected, abs=1e-12)


def test_golden_distances():
    # 6x9 -> 4x6, scale 3/2: offsets from the top-left neighbour are 1/4 and 3/4 in turn
    maps = distance_map('offset', phases((6, 9), (4, 6), distance='offset'))
    assert maps.shape == (2, 4, 6)
    assert maps[0, 0].tolist() == [0.25, 0.75] * 3  # dx first
    assert maps[1, :, 0].tolist() == [0.25, 0.75] * 2
    maps = distance_map('bilinear', phases((6, 9), (4, 6), distance='bilinear'))
    assert maps[:, 0, 0].tolist() == [0.75 * 0.75, 0.75 * 0.25, 0.25 * 0.75, 0.25 * 0.25]
    assert maps[:, 0, 1].tolist() == [0.75 * 0.25, 0.75 * 0.75, 0.25 * 0.25, 0.25 * 0.75]

    bias = torch.tensor([2.0, 3.0])
    logits = logits_by_distance(None, torch.zeros(2, 0), bias, phases((6, 9), (4, 6), distance=None, start='random'))
    assert torch.equal(logits, bias[:, None, None].expand(2, 4, 6))


@given(sizes, sizes, st.sampled_from(sorted(set(DISTANCES) - {'offset'})), st.sampled_from([4, 'auto']))
def test_distance_encodings_by_coefficients_sum_to_1_or_near(src_hw, dst_hw, distance, neighbors):
    total = distance_map(distance, phases(src_hw, dst_hw, distance=distance, neighbors=neighbors)).sum(0)
    exact = neighbors == 4 or distance in ('bilinear', 'bicubic')
    # slots sample the neighbourhood linearly
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-12 if exact else 0.6)


@pytest.mark.parametrize('start', ['bilinear', 'random', 'area'])
def test_weights_are_distributions(start):
    around = phases((14, 11), (5, 4), start=start, neighbors=4).around
    assert around.weights.shape == (1, 16, 5, 4)
    assert (around.weights_y.shape, around.weights_x.shape) == ((4, 5), (4, 4))
    for distribution, axis in ((around.weights, 1), (around.weights_y, 0), (around.weights_x, 0)):
        total = distribution.sum(axis)
        torch.testing.assert_close(total, torch.ones_like(total))
    assert around.kernel == (start != 'random')
    if start == 'random':
        assert torch.equal(around.weights, torch.full_like(around.weights, 1 / 16))


def test_indices_stay_inside_the_image():
    for src_hw, dst_hw in (((3, 5), (9, 11)), ((9, 11), (3, 5)), ((1, 1), (4, 1))):
        made = phases(src_hw, dst_hw, neighbors=6).around
        for index, src in (
            (made.top, src_hw[0]),
            (made.left, src_hw[1]),
            (made.rows, src_hw[0]),
            (made.cols, src_hw[1]),
        ):
            assert index.min() >= 0
            assert index.max() < src


def test_phases_are_made_once_a_size_and_dtype():
    assert phases((14, 11), (5, 4)) is phases((14, 11), (5, 4))
    assert phases((14, 11), (5, 4)) is not phases((11, 14), (5, 4))
    single = phases((14, 11), (5, 4), dtype=torch.float32)
    assert single.around.weights_y.dtype == single.around.weights_x.dtype == single.distances_x.dtype == torch.float32
    assert single.around.rows.dtype == torch.int64
