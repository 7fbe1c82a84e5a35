"""IoU of single classes, over all pixels and image by image."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmseg.evaluation import IoUMetric

from mmdownsize.registry import METRICS


@METRICS.register_module()
class ClassIoU(IoUMetric):
    """mmseg's ``IoUMetric`` that also returns the IoU of every class by its name, not in a table of the log alone.

    Of a small thing before a large background, mIoU is half the background's. Besides mmseg's own metrics there are:

    - ``IoU/NAME``: of the class of that name, over the pixels of all images; left out for a class that no image has.
    - ``image_IoU/NAME``: the mean over the images whose label has the class. An image with a large object counts no more than
      one with a small object. For a class that no image has it is left out.
    - ``image_IoU/mean``: the mean of these over all classes but the first, which has to be the background.

    All are in percent.

    Args:
        args: Arguments of ``IoUMetric``.
        kwargs: The same, by keyword.
    """

    def compute_metrics(self, results: list[tuple[Any, ...]]) -> dict[str, float]:
        """Return the metrics in percent.

        Args:
            results: For each image: intersection, union, prediction and label of every class, in px.
        """
        own: dict[str, float] = super().compute_metrics(results)
        if self.format_only:
            return own
        intersections, unions, _, labels = (torch.stack(part).double() for part in zip(*results))  # (images, classes)
        by_image = []
        for index, name in enumerate(self.dataset_meta['classes']):
            has_it = labels[:, index] > 0
            if not has_it.any():
                continue
            own[f'IoU/{name}'] = _percent(intersections[:, index].sum() / unions[:, index].sum())
            own[f'image_IoU/{name}'] = _percent((intersections[has_it, index] / unions[has_it, index]).mean())
            by_image += [own[f'image_IoU/{name}']] if index else []
        if by_image:
            own['image_IoU/mean'] = round(math.fsum(by_image) / len(by_image), 4)
        return own


def _percent(share: torch.Tensor) -> float:
    return round(100 * float(share), 4)
