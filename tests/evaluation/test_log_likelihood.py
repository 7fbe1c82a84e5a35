"""The metric against a loop over pixels, and what is refused."""

import math

import numpy as np
import pytest
import torch

from mmdownsize.registry import METRICS


def sample(logits, labels):
    return {'seg_logits': {'data': logits}, 'gt_sem_seg': {'data': labels[None]}}


def evaluate(samples, **settings):
    metric = METRICS.build(dict(type='mmdownsize.LogLikelihood', **settings))
    for one in samples:  # batches of one
        metric.process({}, [one])
    return metric.evaluate(len(samples))


def test_both_means_are_those_of_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    samples, by_class = [], {}
    for hw in ((4, 5), (3, 7)):
        logits = torch.from_numpy(rng.normal(0, 3, (4, *hw))).float()
        labels = torch.from_numpy(rng.choice([0, 1, 3, 255], hw, p=[0.6, 0.2, 0.1, 0.1]))  # 2 is nowhere
        samples.append(sample(logits, labels))
        for i, j in np.ndindex(*hw):
            label = int(labels[i, j])
            if label != 255:
                of_pixel = logits[:, i, j].double().exp()
                by_class.setdefault(label, []).append(math.log(of_pixel[label] / of_pixel.sum()))
    found = evaluate(samples)
    pixels = [value for values in by_class.values() for value in values]
    assert found['log_likelihood/pixels'] == pytest.approx(100 * np.mean(pixels))
    assert found['log_likelihood/classes'] == pytest.approx(100 * np.mean([np.mean(v) for v in by_class.values()]))


def test_a_person_can_derive_it():
    logits = torch.zeros(2, 1, 2)
    logits[1, 0, 1] = math.log(3)  # one half for class 0, three quarters for class 1
    found = evaluate([sample(logits, torch.tensor([[0, 1]]))])
    assert found['log_likelihood/pixels'] == pytest.approx(50 * (math.log(0.5) + math.log(0.75)))


def test_another_label_can_be_the_one_that_does_not_count():
    logits = torch.tensor([[[0.0, 0.0]], [[0.0, 9.0]]])
    found = evaluate([sample(logits, torch.tensor([[0, 7]]))], ignore_index=7)
    assert found['log_likelihood/pixels'] == pytest.approx(100 * math.log(0.5))


def test_what_it_cannot_measure_is_refused():
    with pytest.raises(ValueError, match='one logit a pixel'):
        evaluate([sample(torch.zeros(1, 2, 2), torch.zeros(2, 2))])
    with pytest.raises(ValueError, match=r'labels must be 0 to 2 or ignore_index=255, got 3'):
        evaluate([sample(torch.zeros(3, 1, 2), torch.tensor([[0, 3]]))])
