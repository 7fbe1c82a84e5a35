"""How far the features of a downsized image are from those of the full image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from mmdownsize.registry import METRICS


@METRICS.register_module()
class FeatureError(BaseMetric):
    """Mean over images of the errors that ``FeatureMatching`` predicts, one for each feature map; less is better.

    They are named ``feature_error/level0`` and so on. The unit is the variance of the full image's map.

    Args:
        collect_device: ``'cpu'`` or ``'gpu'``: where the results of several processes are gathered.
        prefix: First part of the names, in place of ``feature_error``.
        collect_dir: Folder for gathering on the CPU.
    """

    default_prefix = 'feature_error'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, float]]) -> None:
        """Keep the errors of a batch: for each image one number by level, such as ``level0``."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        """Return the mean of each level."""
        return {name: sum(image[name] for image in results) / len(results) for name in results[0]}
