"""Image quality as a distribution of ratings: Talebi and Milanfar, "NIMA: Neural Image Assessment", 2018.

What mmpretrain lacks for a model of it: the earth mover's distance (:class:`EarthMoversLoss`) and a head that predicts a
distribution and its mean (:class:`QualityHead`). The rest is mmpretrain's: ``ImageClassifier`` and any of its backbones. The
data set and the metric are in :mod:`mmdownsize.evaluation.ratings`.
"""

from mmdownsize.models.image_quality.earth_movers import EarthMoversLoss, earth_movers_distance
from mmdownsize.models.image_quality.head import QualityHead, mean_rating

__all__ = ['EarthMoversLoss', 'QualityHead', 'earth_movers_distance', 'mean_rating']
