"""What a data sample predicts, for a JSON file, as a label map and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from mmdownsize.predicting.model import colours
from mmdownsize.refusal import Refusal

INSTANCE = 1000  # in mmdet's panoptic maps a pixel is its class plus this times the number of the object


def entry_of(sample: Any, classes: Sequence[str]) -> dict[str, Any]:
    """Return what a sample predicts, as JSON can hold it.

    Args:
        sample: A data sample of mmdet or mmsegmentation with a prediction, on the CPU.
        classes: Names of the classes. One without a name is called by its number.

    Returns:
        ``width`` and ``height`` of the original image. With boxes: ``boxes`` [x1, y1, x2, y2] in its px, ``labels``,
        ``scores``, the highest first, and, where there are masks, ``masks`` in COCO's run-length code. With a label map:
        ``pixels`` by class, of the classes that are in it.

    Raises:
        Refusal: If it predicts neither.
    """
    h, w = sample.ori_shape[:2]
    entry: dict[str, Any] = dict(width=int(w), height=int(h))
    if 'pred_instances' in sample:
        entry |= _instances(sample.pred_instances, classes)
    labels = label_map(sample)
    if labels is not None:
        numbers, counts = np.unique(labels, return_counts=True)
        entry['pixels'] = {name_at(classes, int(number)): int(count) for number, count in zip(numbers, counts)}
    elif 'boxes' not in entry:
        raise Refusal(f'the model predicts {", ".join(sample.keys()) or "nothing"}, and neither boxes nor classes')
    return entry


def name_at(classes: Sequence[str], number: int) -> str:
    """Return the name of a class, or its number where it has none."""
    return classes[number] if number < len(classes) else str(number)


def label_map(sample: Any) -> np.ndarray | None:
    """Return the class of every pixel (h, w) of the original image, None if the sample predicts none."""
    if 'pred_panoptic_seg' in sample:
        labels = np.asarray(sample.pred_panoptic_seg.sem_seg) % INSTANCE
    elif 'pred_sem_seg' in sample:
        found = sample.pred_sem_seg
        labels = np.asarray(found.sem_seg if 'sem_seg' in found else found.data)
    else:
        return None
    return labels.reshape(labels.shape[-2:]).astype(np.uint16 if labels.max(initial=0) > 255 else np.uint8)


def picture(image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Any], threshold: float) -> Any:
    """Return an image with its prediction, drawn by OpenMMLab's own visualizer.

    Args:
        image: The original image (h, w, 3), BGR, in 0..255.
        sample: Its data sample, on the CPU.
        classes: Names of the classes.
        palette: Their colours (red, green, blue).
        threshold: Boxes and masks of a lower score are left out.

    Returns:
        (h, w, 3), uint8, BGR.
    """
    if 'pred_instances' in sample or 'pred_panoptic_seg' in sample:
        from mmdet.visualization import DetLocalVisualizer as Visualizer

        # A cut that does not lose the score that equals it.
        cut = dict(pred_score_thr=float(np.nextafter(np.float32(threshold), np.float32(-1))))
    else:
        from mmseg.visualization import SegLocalVisualizer as Visualizer

        cut = dict(with_labels=False)  # which hide what is small, and take seconds on a large image
    highest = int(sample.pred_instances.labels.max()) if len(sample.get('pred_instances', ())) else -1
    labels = label_map(sample)
    needed = max(len(classes), highest + 1, 0 if labels is None else int(labels.max(initial=0)) + 1)
    names = [name_at(classes, number) for number in range(needed)]
    visualizer = Visualizer(alpha=0.5)
    visualizer.dataset_meta = dict(classes=names, palette=[*palette, *colours(needed)][:needed])
    visualizer.add_datasample('prediction', np.ascontiguousarray(image[..., ::-1]), sample, draw_gt=False, **cut)
    return np.ascontiguousarray(visualizer.get_image()[..., ::-1])


def png(image: np.ndarray) -> bytes:
    """Return an image as a PNG file."""
    return cv2.imencode('.png', image)[1].tobytes()


def _instances(instances: Any, classes: Sequence[str]) -> dict[str, Any]:
    boxes = torch.as_tensor(instances.bboxes).reshape(len(instances), -1)
    scores = torch.as_tensor(instances.scores)
    order = scores.argsort(descending=True, stable=True)
    found: dict[str, Any] = dict(
        boxes=[[round(side, 2) for side in box] for box in boxes[order].tolist()],
        labels=[name_at(classes, number) for number in torch.as_tensor(instances.labels)[order].tolist()],
        scores=[round(score, 4) for score in scores[order].tolist()],
    )
    if 'masks' in instances:
        from mmdet.structures.mask import encode_mask_results

        codes = encode_mask_results(np.asarray(instances.masks)[order.numpy()])
        found['masks'] = [dict(size=list(code['size']), counts=code['counts'].decode()) for code in codes]
    return found
