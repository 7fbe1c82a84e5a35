"""The label-free fit: pairs of images, the error against a slow form, and a downsizer that learns."""

import copy

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import METRICS, MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmdownsize.fitting.feature_matching import FeatureMatching
from mmdownsize.resizers import DownsizeNet, FixedResizer

MEAN, STD = [120.0, 110.0, 100.0], [60.0, 61.0, 62.0]


@MODELS.register_module(name='TestStrided')
class Strided(nn.Module):
    """Two maps, and a batch norm that would drift."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 5, 3, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        low = self.norm(self.first(images)).relu()
        return low, self.second(low)


def build(downsizer: dict | None = None, **changes: object) -> FeatureMatching:
    torch.manual_seed(0)
    preprocessor = dict(
        type='mmdownsize.PairDownsizePreprocessor',
        downsizer=downsizer or dict(type='FixedResizer', kernel='area'),
        scale=(12, 8),
        mean=MEAN,
        std=STD,
        bgr_to_rgb=True,
    )
    return MODELS.build(
        dict(
            type='mmdownsize.FeatureMatching',
            backbone=dict(type='TestStrided'),
            data_preprocessor=preprocessor,
            **changes,
        )
    )


def batch(count: int = 3) -> dict[str, list]:
    rng = np.random.default_rng(0)
    images = [torch.from_numpy(rng.integers(0, 256, (3, 24, 36), np.uint8)) for _ in range(count)]
    return dict(inputs=images, data_samples=[BaseDataElement() for _ in images])


def normalised(images: Tensor) -> Tensor:
    return (images.flip(1) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.mark.parametrize('training', [False, True])
def test_the_preprocessor_gives_the_small_and_the_full_image(training: bool) -> None:
    data = batch()
    before = copy.deepcopy(data['inputs'])
    out = build().data_preprocessor(data, training)
    full = torch.stack(before).float()
    torch.testing.assert_close(out['full'], normalised(full))
    torch.testing.assert_close(out['inputs'], normalised(FixedResizer(kernel='area')(full, (8, 12))))
    assert len(out['data_samples']) == 3
    assert all(torch.equal(a, b) for a, b in zip(before, data['inputs']))
    assert build().data_preprocessor(dict(inputs=data['inputs']))['data_samples'] is None


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r'one size, got \[\(20, 30\), \(24, 36\)\] \(h, w\)'):
        build().data_preprocessor(dict(inputs=[*batch(1)['inputs'], torch.zeros(3, 20, 30)]))


def test_the_error_is_the_mean_squared_difference_in_units_of_the_large_maps_variance() -> None:
    model = build()
    out = model.data_preprocessor(batch(), False)
    with torch.no_grad():
        seen, large = model.backbone(out['inputs'])[0].double(), model.backbone(out['full'])[0].double()
        errors = model.errors(out['inputs'], out['full'])[0]
    assert seen.shape[2:] == (4, 6) and large.shape[2:] == (12, 18)
    for n in range(3):
        total = 0.0
        for c in range(4):
            variance = large[:, c].var().item()
            for i in range(4):
                for j in range(6):
                    mean = large[n, c, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean()
                    total += (seen[n, c, i, j] - mean).item() ** 2 / variance
        assert errors[n].item() == pytest.approx(total / (4 * 4 * 6), rel=1e-4)


def test_an_image_of_the_full_size_has_no_error() -> None:
    model = build()
    full = model.data_preprocessor(batch(), False)['full']
    assert all(error.abs().max() < 1e-9 for error in model.errors(full, full))


def test_a_downsizer_learns_and_nothing_else_moves() -> None:
    model = build(dict(type='DownsizeNet', neighbors=4, distance='area', start='area'), level_weights=[1.0, 0.5])
    model.init_weights()
    before = copy.deepcopy(model.state_dict())
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=3e-3)))
    losses = [model.train().train_step(batch(), wrapper) for _ in range(30)]
    assert losses[-1]['loss'] < losses[0]['loss'] * 0.97
    after = model.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved and all(key.startswith('data_preprocessor.downsizer.') for key in moved)
    assert isinstance(model.data_preprocessor.downsizer, DownsizeNet)


def test_the_metric_is_the_mean_over_images() -> None:
    model = build()
    predicted = [model.eval().val_step(batch(n)) for n in (3, 1)]
    metric = METRICS.build(dict(type='mmdownsize.FeatureError'))
    for images in predicted:
        metric.process({}, images)
    found = metric.evaluate(4)
    for level in (0, 1):
        values = [image[f'level{level}'] for images in predicted for image in images]
        assert found[f'feature_error/level{level}'] == pytest.approx(np.mean(values))


def test_wrong_levels_and_a_preprocessor_without_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match='one weight for each feature map of the backbone, 2, got 1'):
        model = build(level_weights=[1.0])
        model(**model.data_preprocessor(batch(), True), mode='loss')
    model = build()
    with pytest.raises(ValueError, match='PairDownsizePreprocessor'):
        model(torch.zeros(1, 3, 8, 12), mode='loss')
    assert [tuple(map_.shape) for map_ in model(torch.zeros(1, 3, 8, 12))] == [(1, 4, 4, 6), (1, 5, 2, 3)]
