"""How probable a segmentor finds the labels. It shows more than which class is highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.registry import METRICS


@METRICS.register_module()
class LogLikelihood(BaseMetric):
    """Mean logarithm of the probability that a segmentor gives the true class: 0 is certainty, more is better.

    ``log_likelihood/pixels`` is the mean over all labelled pixels: minus the cross entropy. ``log_likelihood/classes`` is the
    mean over the pixels of each class, then over the classes that have pixels: it weighs classes as mIoU does. Both are in
    hundredths of a nat, so that differences have the size of points of mIoU. It goes into ``val_evaluator`` beside mmseg's
    ``IoUMetric``; like there, predictions and labels have the size of the image file.

    Args:
        ignore_index: The label that does not count.
        collect_device: Where the results of several processes are collected, ``'cpu'`` or ``'gpu'``, see mmengine's
            ``BaseMetric``.
        prefix: What the names of the metrics begin with; None: ``log_likelihood``.

    Raises:
        Refusal: When the first batch comes: if the model gives one logit a pixel (a sigmoid's), or a label is none of its
            classes.
    """

    default_prefix = 'log_likelihood'

    def __init__(self, ignore_index: int = 255, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the sums and counts of every class, for each image.

        Args:
            data_batch: Not read.
            data_samples: Predictions with ``seg_logits`` (classes, H, W) and ``gt_sem_seg`` (1, H, W).
        """
        for sample in data_samples:
            logits: Tensor = sample['seg_logits']['data'].float()
            labels: Tensor = sample['gt_sem_seg']['data'].squeeze(0).to(logits.device).long()
            classes = len(logits)
            if classes == 1:
                raise Refusal('LogLikelihood compares classes, and this model gives one logit a pixel')
            counted = labels != self.ignore_index
            found = labels[counted]
            unknown = found[(found < 0) | (found >= classes)]
            if unknown.numel():
                raise Refusal(
                    f'labels must be 0 to {classes - 1} or ignore_index={self.ignore_index}, got {unknown[0].item()}'
                )
            # Of the whole map, in its memory order: taking the labelled pixels out of all classes first costs more.
            lost = F.cross_entropy(logits[None], labels[None], reduction='none', ignore_index=self.ignore_index)[0]
            values = -lost[counted].double()
            self.results.append(
                (torch.bincount(found, values, classes).cpu(), torch.bincount(found, minlength=classes).cpu())
            )

    def compute_metrics(self, results: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Return both means.

        Args:
            results: For each image: sums and counts (classes,).
        """
        sums, counts = (torch.stack(one).sum(0) for one in zip(*results))
        seen = counts > 0
        return {
            'pixels': 100 * float(sums.sum() / counts.sum()),
            'classes': 100 * float((sums[seen] / counts[seen]).mean()),
        }
