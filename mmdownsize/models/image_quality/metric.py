"""How well predicted qualities agree with people's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from scipy import stats

from mmdownsize.models.image_quality.earth_movers import earth_movers_distance
from mmdownsize.models.image_quality.head import mean_rating
from mmdownsize.refusal import Refusal
from mmdownsize.registry import METRICS


@METRICS.register_module()
class QualityMetric(BaseMetric):
    """Correlation of mean ratings, Pearson's (``quality/plcc``) and Spearman's (``quality/srcc``), and ``quality/emd``.

    The two are better the closer to 1, and not a number where all predictions, or all ratings, are equal. The earth
    mover's distance is the mean over the images, with r = 1, which the paper evaluates with; less is better.

    Raises:
        ValueError: When it is computed of fewer than 2 images, of which there is no correlation.

    Source: Talebi and Milanfar, "NIMA: Neural Image Assessment", 2018, the experiments.
    """

    default_prefix = 'quality'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep a batch's mean ratings and distances."""
        for sample in data_samples:
            predicted, given = (sample[name].double().cpu() for name in ('pred_score', 'gt_score'))
            distance = earth_movers_distance(predicted, given, r=1)
            self.results.append(tuple(value.item() for value in (mean_rating(predicted), mean_rating(given), distance)))

    def compute_metrics(self, results: list[tuple[float, float, float]]) -> dict[str, float]:
        """Return the correlations and the mean distance."""
        if len(results) < 2:
            raise Refusal(f'a correlation needs at least 2 images, got {len(results)}')
        predicted, given, distances = torch.tensor(results, dtype=torch.float64).T.numpy()
        return dict(
            plcc=float(stats.pearsonr(predicted, given).statistic),
            srcc=float(stats.spearmanr(predicted, given).statistic),
            emd=float(distances.mean()),
        )
