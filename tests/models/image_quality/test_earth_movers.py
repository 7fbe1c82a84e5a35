"""The earth mover's distance against scipy's, against a loop, and its gradient."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from scipy.stats import wasserstein_distance

pytest.importorskip('tests.mmpretrain_here')

from mmdownsize.models.image_quality import EarthMoversLoss, earth_movers_distance


def distributions(n=6, k=10):
    return torch.rand(n, k, dtype=torch.float64).softmax(-1), (3 * torch.randn(n, k, dtype=torch.float64)).softmax(-1)


def loop(p, q, r):
    total = 0.0
    for k in range(len(p)):
        total += abs(sum(float(v) for v in p[: k + 1]) - sum(float(v) for v in q[: k + 1])) ** r
    return (total / len(p)) ** (1 / r)


@pytest.mark.parametrize('k', [1, 2, 10])
def test_r_1_is_scipys_wasserstein_distance_over_the_number_of_bins(k):
    p, q = distributions(k=k)
    ratings = np.arange(1, k + 1)
    expected = [wasserstein_distance(ratings, ratings, a, b) / k for a, b in zip(p.numpy(), q.numpy())]
    np.testing.assert_allclose(earth_movers_distance(p, q, r=1).numpy(), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize('r', [1, 2, 3, 1.5])
def test_every_r_is_the_loop(r):
    p, q = distributions()
    expected = [loop(a, b, r) for a, b in zip(p, q)]
    np.testing.assert_allclose(earth_movers_distance(p, q, r).numpy(), expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(earth_movers_distance(q, p, r), earth_movers_distance(p, q, r))
    torch.testing.assert_close(
        earth_movers_distance(p.view(2, 3, 10), q.view(2, 3, 10), r).flatten()[4].item(), expected[4]
    )


def test_moving_all_from_the_first_bin_to_the_third_by_hand():
    p, q = torch.eye(4)[0], torch.eye(4)[2]  # cumulative: 1 1 1 1 and 0 0 1 1
    assert earth_movers_distance(p, q, r=1).item() == pytest.approx(2 / 4)
    assert earth_movers_distance(p, q, r=2).item() == pytest.approx((2 / 4) ** 0.5)


@pytest.mark.parametrize('r', [1.5, 2, 3])
def test_gradients_also_where_both_are_equal(r):
    p, q = distributions(3, 5)
    assert torch.autograd.gradcheck(lambda p: earth_movers_distance(p, q, r), (p.requires_grad_(),))
    same = q.clone().requires_grad_()
    earth_movers_distance(same, q, r).sum().backward()
    assert torch.equal(same.grad, torch.zeros_like(same))


@pytest.mark.parametrize(
    ('shape', 'r', 'message'),
    [((3, 5), 2, r'got \(3, 4\) and \(3, 5\)'), ((3, 4), 0.5, 'r must be at least 1, got 0.5')],
)
def test_bad_arguments_are_named(shape, r, message):
    with pytest.raises(ValueError, match=message):
        earth_movers_distance(torch.full((3, 4), 0.25), torch.full(shape, 1 / shape[1]), r)
    if r < 1:
        with pytest.raises(ValueError, match=message):
            EarthMoversLoss(r=r)


def test_the_loss_is_the_mean_of_the_distances_of_softmaxes():
    loss = MODELS.build(dict(type='mmdownsize.EarthMoversLoss', loss_weight=3.0))
    scores, (_, target) = torch.randn(6, 10), distributions()
    expected = [3 * loop(s.double().softmax(-1), t, 2) for s, t in zip(scores, target)]
    assert loss(scores, target.float()).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert loss(scores, target.float(), avg_factor=12).item() == pytest.approx(np.mean(expected) / 2, rel=1e-5)


def test_the_loss_of_half_precision_scores_is_computed_in_float32():
    scores, (_, target) = torch.randn(6, 10).half(), distributions()
    found = EarthMoversLoss()(scores, target.float())
    assert found.dtype == torch.float32
    assert torch.equal(found, EarthMoversLoss()(scores.float(), target.float()))


@pytest.mark.parametrize('target', [[[3.0, 4.0, 1.0]], [[0.5, 0.2, 0.2]], [[1.5, -0.5, 0.0]]])
def test_a_target_that_is_no_distribution_is_named(target):
    with pytest.raises(ValueError, match='counts of ratings divided by their sum'):
        EarthMoversLoss()(torch.zeros(1, 3), torch.tensor(target))
