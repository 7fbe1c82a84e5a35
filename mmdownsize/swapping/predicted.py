"""What a model predicts of an image, in numbers, and whether it is a prediction of that image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmdownsize.refusal import Refusal


def prediction_of(sample: Any) -> dict[str, Any]:
    """Return what a sample predicts.

    Args:
        sample: A data sample that a model of mmdet or mmseg returns.

    Returns:
        ``boxes`` (n, 4) in px of the original image, ``labels`` (n,), ``map`` (h, w), each None where there is none; whether
        ``boxes`` lie ``inside`` the image; and what there is in ``words``.

    Raises:
        Refusal: If it predicts nothing, numbers are not finite, or masks or maps do not have the original size.
    """
    said: dict[str, Any] = dict(boxes=None, labels=None, map=None, inside=True)
    words = []
    h, w = sample.ori_shape[:2]
    for name in ('pred_sem_seg', 'pred_panoptic_seg', 'pred_depth_map'):
        if name in sample:
            data = sample.get(name)
            data = data.sem_seg if 'sem_seg' in data else data.data
            data = torch.as_tensor(data)
            if tuple(data.shape[-2:]) != (h, w):
                raise Refusal(f'{name} has {tuple(data.shape[-2:])} (h, w), the original image {(h, w)}')
            said['map'] = data.reshape(-1, h, w)[0].numpy()
            words.append(f'{name} of {h}x{w} px')
    if 'pred_instances' in sample:
        instances = sample.pred_instances
        if 'bboxes' in instances:
            boxes = instances.bboxes.reshape(-1, 4)
            if not torch.isfinite(boxes).all():
                raise Refusal('predicted boxes that are not finite')
            edge = torch.tensor([w, h, w, h]) + 1
            said['inside'] = bool((boxes >= -1).all() and (boxes <= edge).all())
            said['boxes'] = boxes.numpy()
            said['labels'] = instances.labels.numpy() if 'labels' in instances else np.zeros(len(boxes), int)
            words.append(f'{len(boxes)} boxes')
        if 'masks' in instances:
            if tuple(instances.masks.shape[-2:]) != (h, w):
                raise Refusal(
                    f'predicted masks have {tuple(instances.masks.shape[-2:])} (h, w), the original image {(h, w)}: '
                    'the model does not bring them back to it'
                )
            words.append(f'masks of {h}x{w} px')
    if said['map'] is None and said['boxes'] is None:
        raise Refusal('the model predicts nothing')
    return dict(said, words=', '.join(words))
