"""Correlations of mean ratings against scipy's on numbers computed here."""

import math

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS
from scipy import stats

pytest.importorskip('tests.mmpretrain_here')


def evaluate(predicted, given, batch=4):
    metric = METRICS.build(dict(type='mmdownsize.QualityMetric'))
    samples = [dict(pred_score=p, gt_score=g) for p, g in zip(predicted, given)]
    for first in range(0, len(samples), batch):
        metric.process(None, samples[first : first + batch])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('bins', [5, 10])
def test_metrics_are_scipys(bins):
    predicted, given = (torch.rand(11, bins).pow(3) for _ in range(2))
    predicted, given = (x / x.sum(1, keepdim=True) for x in (predicted, given))
    ratings = np.arange(1, bins + 1)
    p, g = (x.double().numpy() @ ratings for x in (predicted, given))
    distances = [
        stats.wasserstein_distance(ratings, ratings, a, b) / bins for a, b in zip(predicted.numpy(), given.numpy())
    ]
    assert evaluate(predicted, given) == pytest.approx(
        {
            'quality/plcc': np.corrcoef(p, g)[0, 1],
            'quality/srcc': np.corrcoef(p.argsort().argsort(), g.argsort().argsort())[0, 1],
            'quality/emd': np.mean(distances),
        },
        abs=1e-6,
    )


def test_ranks_see_any_rising_relation_and_pearson_only_a_straight_one():
    given = torch.eye(10)[[0, 1, 2, 3, 8]]
    predicted = torch.eye(10)[[0, 1, 2, 3, 4]]
    found = evaluate(predicted, given)
    assert found['quality/srcc'] == pytest.approx(1) and found['quality/plcc'] < 0.98
    assert evaluate(given, given) == pytest.approx({'quality/plcc': 1, 'quality/srcc': 1, 'quality/emd': 0})


def test_equal_predictions_have_no_correlation():
    with pytest.warns(stats.ConstantInputWarning):
        found = evaluate(torch.full((3, 10), 0.1), torch.eye(10)[:3])
    assert math.isnan(found['quality/plcc']) and math.isnan(found['quality/srcc']) and found['quality/emd'] > 0


def test_one_image_has_no_correlation():
    with pytest.raises(ValueError, match='at least 2 images, got 1'):
        evaluate(torch.full((1, 10), 0.1), torch.eye(10)[:1])
