"""The IoU of single classes, against a loop over pixels."""

import numpy as np
import pytest
import torch

from mmdownsize.registry import METRICS

CLASSES = ('background', 'thin', 'nowhere', 'large')


def evaluate(pairs):
    metric = METRICS.build(dict(type='mmdownsize.ClassIoU'))
    metric.dataset_meta = dict(classes=CLASSES)
    for predicted, labels in pairs:
        metric.process({}, [{'pred_sem_seg': {'data': predicted[None]}, 'gt_sem_seg': {'data': labels[None]}}])
    return metric.evaluate(len(pairs))


def counts(predicted, labels, index):
    both = either = 0
    for p, t in zip(predicted.flatten().tolist(), labels.flatten().tolist()):
        if t != 255:
            both += p == index and t == index
            either += p == index or t == index
    return both, either


def test_classes_are_those_of_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    pairs = []
    for shares in ([0.6, 0.1, 0, 0.2, 0.1], [0.7, 0, 0, 0.2, 0.1], [0.5, 0.4, 0, 0, 0.1]):
        labels = torch.from_numpy(rng.choice([0, 1, 2, 3, 255], (6, 7), p=shares))
        pairs.append((torch.from_numpy(rng.choice([0, 1, 3], (6, 7))), labels))
    found = evaluate(pairs)
    by_image = []
    for index, name in enumerate(CLASSES):
        if name == 'nowhere':
            assert f'IoU/{name}' not in found
            assert f'image_IoU/{name}' not in found
            continue
        each = [counts(*pair, index) for pair in pairs]
        assert found[f'IoU/{name}'] == pytest.approx(100 * sum(b for b, _ in each) / sum(e for _, e in each), abs=1e-3)
        having = [b / e for (b, e), (_, labels) in zip(each, pairs) if (labels == index).any()]
        assert found[f'image_IoU/{name}'] == pytest.approx(100 * np.mean(having), abs=1e-3)
        by_image += [found[f'image_IoU/{name}']] if index else []
    assert found['image_IoU/mean'] == pytest.approx(np.mean(by_image), abs=1e-3)


def test_mmsegs_own_metrics_are_kept():
    labels = torch.tensor([[0, 0, 1, 3]])
    found = evaluate([(labels, labels)])
    assert found['aAcc'] == 100
    assert found['mIoU'] == 100
    assert found['IoU/thin'] == 100
