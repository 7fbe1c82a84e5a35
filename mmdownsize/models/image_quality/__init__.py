"""Image quality as a distribution of ratings: Talebi and Milanfar, "NIMA: Neural Image Assessment", 2018.

What mmpretrain lacks of it: the earth mover's distance (:class:`EarthMoversLoss`), a head whose prediction has a mean
(:class:`QualityHead`), images with counts of ratings (:class:`RatingDataset`) and correlations of means
(:class:`QualityMetric`). The rest is mmpretrain's: ``ImageClassifier`` and any of its backbones.
"""

from mmdownsize.models.image_quality.dataset import RatingDataset
from mmdownsize.models.image_quality.earth_movers import EarthMoversLoss, earth_movers_distance
from mmdownsize.models.image_quality.head import QualityHead
from mmdownsize.models.image_quality.metric import QualityMetric

__all__ = ['EarthMoversLoss', 'QualityHead', 'QualityMetric', 'RatingDataset', 'earth_movers_distance']
