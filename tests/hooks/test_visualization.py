"""Pictures during a training: when, of what, and refused where there is nothing to draw."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.registry import HOOKS

from mmdownsize.drawing import draw
from mmdownsize.hooks.visualization import DownsizeVisualizationHook

pytest.importorskip('mmseg')

from mmdownsize.preprocessors.seg import SegDownsizePreprocessor


class Model(BaseModel):
    def forward(self, inputs, data_samples=None, mode='tensor'):
        return inputs


class Pictures:
    def __init__(self):
        self.added = {}

    def add_image(self, name, image, step):
        self.added[step, name] = image


def running(channels=3, **changes):
    preprocessor = SegDownsizePreprocessor(
        downsizer=dict(type='DownsizeNet', neighbors=4, in_channels=channels),
        scale_factor=0.5,
        size_divisor=1,
        bgr_to_rgb=channels == 3,
    )
    return SimpleNamespace(model=Model(data_preprocessor=preprocessor), visualizer=Pictures(), iter=0, **changes)


def test_every_so_many_iterations_the_first_images_are_drawn():
    hook = HOOKS.build(dict(type='mmdownsize.DownsizeVisualizationHook', interval=3, images=2, kernel='area'))
    runner, images = running(), [torch.randint(0, 256, (3, 12, 16), dtype=torch.uint8) for _ in range(3)]
    hook.before_train(runner)
    for runner.iter in range(5):
        hook.after_train_iter(runner, runner.iter, dict(inputs=images))
    assert sorted(runner.visualizer.added) == [(i, f'downsizer/{n}') for i in (0, 3) for n in (0, 1)]
    expected = draw(runner.model.data_preprocessor.downsizer, images[1], (6, 8), 'area')
    assert np.array_equal(runner.visualizer.added[3, 'downsizer/1'], expected)


@pytest.mark.parametrize('channels', [1, 2, 4, 5])
def test_any_number_of_channels(channels):
    runner, image = running(channels), torch.randint(0, 256, (channels, 12, 16), dtype=torch.uint8)
    DownsizeVisualizationHook().after_train_iter(runner, 0, dict(inputs=[image]))
    expected = draw(runner.model.data_preprocessor.downsizer, image, (6, 8))
    assert np.array_equal(runner.visualizer.added[0, 'downsizer/0'], expected)


def test_other_ranks_draw_nothing(monkeypatch):
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    runner = running()
    DownsizeVisualizationHook().after_train_iter(runner, 0, dict(inputs=[torch.zeros(3, 8, 8)]))
    assert not runner.visualizer.added


def test_a_model_without_a_downsizer_is_refused():
    runner = SimpleNamespace(model=Model(data_preprocessor=ImgDataPreprocessor()))
    with pytest.raises(ValueError, match='the model has a ImgDataPreprocessor and no downsizer'):
        DownsizeVisualizationHook().before_train(runner)


@pytest.mark.parametrize('arguments', [dict(interval=0), dict(images=0)])
def test_numbers_below_1_are_refused(arguments):
    with pytest.raises(ValueError, match='interval and images must be at least 1'):
        DownsizeVisualizationHook(**arguments)
