"""Test-time augmentation at several sizes: a target in px that makes one of them is refused."""

import pytest
import torch
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.structures import BaseDataElement

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.preprocessors.views import Views
from mmdownsize.refusal import Refusal

FIXED, BOX, FACTOR = TargetSize(scale=(8, 8)), TargetSize(scale=(12, 8), keep_ratio=True), TargetSize(scale_factor=0.5)


def shown(views, target, *batches):
    for batch in batches:
        samples = [BaseDataElement(metainfo=dict(img_path=name, ori_shape=(40, 60))) for name, _ in batch]
        views.check(samples, [ResizeMap(hw, target.of(hw)) for _, hw in batch], target)


@pytest.mark.parametrize('target', [FIXED, BOX])
def test_two_sizes_of_an_image_that_become_one_are_refused(target):
    with pytest.raises(Refusal, match=r'at \(20, 30\) and at \(40, 60\) \(h, w\), and scale=.* give scale_factor'):
        shown(Views(), target, [('a', (20, 30)), ('b', (40, 60))], [('b', (40, 60)), ('a', (40, 60))])


@pytest.mark.parametrize(
    ('target', 'batches'),
    [
        (FACTOR, ([('a', (20, 30))], [('a', (40, 60))])),
        (BOX, ([('a', (20, 30))], [('a', (20, 30))])),  # flipped
        (BOX, ([('a', (20, 30))], [('a', (30, 20))])),  # turned
        (BOX, ([('a', (20, 30))], [('b', (40, 60))])),
        (BOX, ([('a', (20, 30))], [('b', (20, 30))], [('a', (40, 60))])),  # the same image once more, later
    ],
)
def test_everything_else_passes(target, batches):
    shown(Views(), target, *batches)
    Views().check(None, [ResizeMap((20, 30), (8, 8))], target)


def test_only_a_model_of_test_time_augmentation_compares():
    pytest.importorskip('mmseg')
    from mmseg.structures import SegDataSample

    from mmdownsize.preprocessors.seg import SegDownsizePreprocessor

    class Model(BaseModel):
        def forward(self, inputs, data_samples, mode):
            return [tuple(inputs.shape[-2:])] * len(inputs)

    class Merging(BaseTTAModel):
        def merge_preds(self, predictions):
            return predictions

    def model(**target):
        return Model(SegDownsizePreprocessor(downsizer=dict(type='FixedResizer'), **target))

    sizes = [(20, 30), (40, 60)]
    samples = [[SegDataSample(metainfo=dict(img_path='a', ori_shape=(40, 60), img_shape=hw))] for hw in sizes]
    data = dict(inputs=[[torch.zeros(3, *hw)] for hw in sizes], data_samples=samples)
    with pytest.raises(Refusal, match='test-time augmentation shows an image at'):
        Merging(model(scale=(12, 8), keep_ratio=True)).test_step(data)
    assert Merging(model(scale_factor=0.5)).test_step(data) == [((10, 15), (20, 30))]
    alone = model(scale=(12, 8), keep_ratio=True)
    for images, batch in zip(*data.values(), strict=True):
        assert alone.test_step(dict(inputs=images, data_samples=batch)) == [(8, 12)]
