"""Images that people have rated, and how well predicted qualities agree with the ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.fileio import join_path, list_from_file
from mmpretrain.datasets import BaseDataset
from scipy import stats

from mmdownsize.models.image_quality import earth_movers_distance, mean_rating
from mmdownsize.refusal import Refusal
from mmdownsize.registry import DATASETS, METRICS


@DATASETS.register_module()
class RatingDataset(BaseDataset):
    """Images with counts of ratings from 1 to K, as the AVA data set has them (K = 10).

    Every line of the file is an image: its path below ``data_prefix``, then the counts, separated by blanks or commas. Empty
    lines and lines that begin with # are left out. Items have ``gt_score`` (K,), the counts divided by their sum.

    Args:
        ann_file: The file of the lines.
        num_bins: K.
        kwargs: Other arguments of mmpretrain's ``BaseDataset``.

    Raises:
        Refusal: If a line does not have K counts, or they are negative or all 0; names the line.
    """

    def __init__(self, ann_file: str, *, num_bins: int = 10, **kwargs: Any) -> None:
        self.num_bins = num_bins  # before the parent, which loads the lines
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return ``img_path`` and ``gt_score`` of every image."""
        prefix, found = self.data_prefix.get('img_path') or '', []
        for number, line in enumerate(list_from_file(self.ann_file), 1):
            if line.strip() and not line.lstrip().startswith('#'):
                path, counts = self._parse(line.strip(), f'{self.ann_file}:{number}')
                found.append(dict(img_path=join_path(prefix, path) if prefix else path, gt_score=counts / counts.sum()))
        return found

    def _parse(self, line: str, place: str) -> tuple[str, np.ndarray]:
        # The path is what remains on the left: it may have blanks in it.
        match = re.fullmatch(rf'(\S.*?)((?:[\s,]+[^\s,]+){{{self.num_bins}}})', line)
        try:
            if match is None:
                raise ValueError
            counts = np.array(re.split(r'[\s,]+', match[2])[1:], dtype=np.float32)
        except ValueError:
            raise Refusal(f'{place}: a path and {self.num_bins} counts are needed, got {line!r}') from None
        if not np.isfinite(counts).all() or (counts < 0).any() or counts.sum() == 0:
            raise Refusal(f'{place}: counts must be at least 0 and not all 0, got {counts.tolist()}')
        return match[1], counts


@METRICS.register_module()
class QualityMetric(BaseMetric):
    """Agreement of predicted mean ratings with people's.

    ``quality/plcc`` and ``quality/srcc`` are Pearson's and Spearman's correlations: 1 is best, and they are NaN if all
    predictions, or all ratings, are equal. ``quality/emd`` is the earth mover's distance with r = 1, as in the paper, averaged
    over the images: 0 is best.

    Raises:
        Refusal: When it is computed for fewer than 2 images, which have no correlation.

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
