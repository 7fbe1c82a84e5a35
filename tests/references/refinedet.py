"""RefineDet's anchors, matching, losses and detections in plain Python, one anchor at a time, in double precision.

Written from the paper (sections 3.2 to 3.4, equation 1) alone. Boxes are (x1, y1, x2, y2) in px; classes count from 0, and
background is the last.
"""

import math

VARIANCES = (0.1, 0.1, 0.2, 0.2)
THETA = 0.99
STRIDES = (8, 16, 32, 64)


def anchors(map_hws):
    """By level, row, column and ratio 1/2, 1, 2 of height to width."""
    boxes = []
    for stride, (height, width) in zip(STRIDES, map_hws):
        for row in range(height):
            for column in range(width):
                for ratio in (0.5, 1.0, 2.0):
                    w, h = 4 * stride / math.sqrt(ratio), 4 * stride * math.sqrt(ratio)
                    x, y = (column + 0.5) * stride, (row + 0.5) * stride
                    boxes.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return boxes


def iou(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union


def match(boxes, objects):
    """The index of each anchor's object, or None."""
    found = []
    for box in boxes:
        overlaps = [iou(box, other) for other in objects]
        best = max(range(len(objects)), key=overlaps.__getitem__, default=None)
        found.append(best if best is not None and overlaps[best] >= 0.5 else None)
    for index, other in enumerate(objects):  # every object gets its best anchor
        overlaps = [iou(box, other) for box in boxes]
        best = max(range(len(boxes)), key=overlaps.__getitem__)
        if overlaps[best] > 0:
            found[best] = index
    return found


def encode(anchor, box):
    (x, y, w, h), (u, v, s, t) = _centre_size(anchor), _centre_size(box)
    offsets = ((u - x) / w, (v - y) / h, math.log(s / w), math.log(t / h))
    return [offset / variance for offset, variance in zip(offsets, VARIANCES)]


def decode(anchor, offsets):
    x, y, w, h = _centre_size(anchor)
    dx, dy, dw, dh = (offset * variance for offset, variance in zip(offsets, VARIANCES))
    x, y, w, h = x + dx * w, y + dy * h, w * math.exp(dw), h * math.exp(dh)
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def _centre_size(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]


def softmax(scores):
    largest = max(scores)
    powers = [math.exp(score - largest) for score in scores]
    return [power / sum(powers) for power in powers]


def _smooth_l1(difference):
    return 0.5 * difference**2 if abs(difference) < 1 else abs(difference) - 0.5


def losses(regular, arm_scores, arm_offsets, odm_scores, odm_offsets, objects, labels, ratio=3):
    """The four sums of equation 1 over a batch: ARM and ODM, classification and regression.

    Scores and offsets are lists of images of anchors; ``objects`` and ``labels`` lists of images.
    """
    sums = dict(arm_cls=0.0, arm_bbox=0.0, odm_cls=0.0, odm_bbox=0.0)
    positives = dict(arm=0, odm=0)
    filtered = 0
    for image in range(len(objects)):
        refined = [decode(anchor, offsets) for anchor, offsets in zip(regular, arm_offsets[image])]
        for module, boxes, scores, offsets in (
            ('arm', regular, arm_scores[image], arm_offsets[image]),
            ('odm', refined, odm_scores[image], odm_offsets[image]),
        ):
            found = match(boxes, objects[image])
            background_losses = []
            for index, target in enumerate(found):
                confidences = softmax(scores[index])
                if target is None:
                    if module == 'odm' and softmax(arm_scores[image][index])[-1] > THETA:
                        filtered += 1
                    else:
                        background_losses.append(-math.log(confidences[-1]))
                    continue
                wanted = 0 if module == 'arm' else labels[image][target]
                sums[f'{module}_cls'] -= math.log(confidences[wanted])
                for offset, goal in zip(offsets[index], encode(boxes[index], objects[image][target])):
                    sums[f'{module}_bbox'] += _smooth_l1(offset - goal)
            count = sum(target is not None for target in found)
            positives[module] += count
            sums[f'{module}_cls'] += sum(sorted(background_losses, reverse=True)[: ratio * count])
    return {key: value / max(positives[key[:3]], 1) for key, value in sums.items()}, positives, filtered


def detections(regular, arm_scores, arm_offsets, odm_scores, odm_offsets, image_hw, *, top=400, keep=200):
    """(score, class, box) of one image, most confident first."""
    candidates = []
    for anchor, arm_score, arm_offset, odm_score, odm_offset in zip(
        regular, arm_scores, arm_offsets, odm_scores, odm_offsets
    ):
        if softmax(arm_score)[-1] > THETA:
            continue
        x1, y1, x2, y2 = decode(decode(anchor, arm_offset), odm_offset)
        height, width = image_hw
        box = (min(max(x1, 0), width), min(max(y1, 0), height), min(max(x2, 0), width), min(max(y2, 0), height))
        for label, confidence in enumerate(softmax(odm_score)[:-1]):
            if confidence > 0.01:
                candidates.append((confidence, label, box))
    candidates.sort(key=lambda candidate: -candidate[0])
    kept = []
    for candidate in candidates[:top]:
        if all(candidate[1] != other[1] or iou(candidate[2], other[2]) <= 0.45 for other in kept):
            kept.append(candidate)
    return kept[:keep]
