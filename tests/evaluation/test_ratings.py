"""Lists of images with counts of ratings, and correlations against scipy's on numbers computed here."""

import math

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, METRICS, DefaultScope
from scipy import stats

pytest.importorskip('tests.mmpretrain_here')

COUNTS = [0, 1, 5, 17, 38, 36, 15, 6, 5, 1]


def dataset(folder, text, **kwargs):
    (folder / 'list.txt').write_text(text)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(
            dict(
                type='mmdownsize.RatingDataset',
                data_root=str(folder),
                ann_file='list.txt',
                data_prefix='images',
                **kwargs,
            )
        )


@pytest.mark.parametrize('separator', [' ', ',', ', ', '\t'])
def test_a_line_is_a_path_and_counts(tmp_path, separator):
    line = separator.join(['sub dir/953619.jpg', *map(str, COUNTS)])
    found = dataset(tmp_path, f'# path, 1 to 10\n\n{line}\n')
    assert len(found) == 1
    item = found.get_data_info(0)
    assert item['img_path'] == str(tmp_path / 'images' / 'sub dir/953619.jpg')
    np.testing.assert_allclose(item['gt_score'], np.array(COUNTS) / 124)
    assert item['gt_score'].dtype == np.float32


def test_the_number_of_bins_is_free_and_a_path_may_end_in_a_number(tmp_path):
    found = dataset(tmp_path, 'image 7 1 1 2', num_bins=3)
    assert found.get_data_info(0)['img_path'].endswith('images/image 7')
    assert found.get_data_info(0)['gt_score'].tolist() == [0.25, 0.25, 0.5]


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('a.jpg 1 2 3', r'list.txt:2: a path and 10 counts are needed, got .a.jpg 1 2 3'),
        ('1 2 3 4 5 6 7 8 9 10', 'list.txt:2: a path and 10 counts'),
        ('a.jpg 1 2 3 4 5 6 7 8 nine 10', 'list.txt:2: a path and 10 counts'),
        ('a.jpg 1 2 3 4 5 6 7 8 9 -1', r'list.txt:2: counts must be at least 0 and not all 0, got \[1.0'),
        ('a.jpg 1 2 3 4 5 6 7 8 9 nan', 'list.txt:2: counts must be'),
        ('a.jpg 0 0 0 0 0 0 0 0 0 0', 'list.txt:2: counts must be'),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    with pytest.raises(ValueError, match=message):
        dataset(tmp_path, f'b.jpg {" ".join(map(str, COUNTS))}\n{line}\n')


def test_a_pipeline_packs_the_distribution(tmp_path):
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images/a.png'), np.full((8, 9, 3), 5, np.uint8))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    item = dataset(tmp_path, f'a.png {" ".join(map(str, COUNTS))}', pipeline=pipeline)[0]
    assert item['inputs'].shape == (3, 8, 9)
    np.testing.assert_allclose(item['data_samples'].gt_score.numpy(), np.array(COUNTS) / 124, rtol=1e-6)


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
