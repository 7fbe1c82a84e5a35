"""The mean of the errors of feature maps."""

from mmengine.registry import METRICS


def test_each_levels_mean_is_over_all_images_of_all_batches() -> None:
    metric = METRICS.build(dict(type='mmdownsize.FeatureError'))
    metric.process({}, [dict(level0=1.0, level1=0.0), dict(level0=2.0, level1=0.5)])
    metric.process({}, [dict(level0=6.0, level1=1.0)])
    assert metric.evaluate(3) == {'feature_error/level0': 3.0, 'feature_error/level1': 0.5}
