"""The size that a config's own pipeline delivers, and where it comes from."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

pytest.importorskip('mmdet')

from mmdownsize.pipelines.delivered import delivered

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')
RESIZE = dict(type='Resize', scale=(300, 200), keep_ratio=False)


def config(*steps, loader='test_dataloader', scope='mmdet', **dataset):
    return Config(
        dict(
            default_scope=scope,
            model=dict(type='A'),
            **{
                loader: dict(
                    dataset=dict(type='RepeatDataset', times=2, dataset=dict(pipeline=[LOAD, *steps, PACK], **dataset))
                )
            },
        )
    )


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


@pytest.mark.parametrize(
    ('steps', 'hw', 'source'),
    [
        ([RESIZE], (200, 300), 'as the pipeline of test_dataloader delivers it'),
        ([RESIZE, dict(type='LoadAnnotations', with_bbox=True)], (200, 300), 'as the pipeline'),
        ([dict(type='Resize', scale=(1333, 800), keep_ratio=True)], (800, 1333), 'the largest that the pipeline'),
        ([dict(type='FixScaleResize', scale=(800, 1333), keep_ratio=True)], (800, 1333), 'the largest'),
        ([dict(type='Resize', scale=(640, 640), keep_ratio=True), dict(type='Pad', size=(640, 640))], (640, 640), 'as the'),
        ([dict(type='Resize', scale=(300, 190), keep_ratio=False), dict(type='Pad', size_divisor=32)], (192, 320), 'as the'),
        ([dict(type='mmdet.Resize', scale=300), dict(type='RandomFlip', prob=0.5)], (300, 300), 'as the pipeline'),
        ([dict(type='mmdet.RandomCenterCropPad', crop_size=None, ratios=None, border=None, test_mode=True,
               test_pad_mode=['logical_or', 31], mean=[0] * 3, std=[1] * 3, to_rgb=True)], None, ''),
        ([dict(type='LoadProposals'), RESIZE, dict(type='NoSuchStep')], (200, 300), 'as the steps of test_dataloader say it'),
        ([], None, ''),
        ([dict(type='NoSuchStep')], None, ''),
        ([dict(type='Resize', scale_factor=0.5)], None, ''),
    ],
)  # fmt: skip
def test_the_size_of_a_test_image(steps, hw, source):
    found = delivered(config(*steps))
    if hw is None:
        assert found is None
    else:
        assert found.hw == hw and source in found.source


def test_the_test_pipeline_comes_before_that_of_the_validation():
    cfg = config(RESIZE, loader='val_dataloader')
    assert delivered(cfg).hw == (200, 300)
    cfg.test_dataloader = config(dict(type='Resize', scale=(50, 40))).test_dataloader
    assert delivered(cfg).hw == (40, 50)
    assert delivered(config(RESIZE, loader='train_dataloader')) is None


def test_where_the_pipeline_leaves_it_to_the_images_it_is_that_of_the_first(tmp_path):
    pytest.importorskip('mmseg')
    init_default_scope('mmseg')
    (tmp_path / 'images').mkdir()
    Image.fromarray(np.zeros((24, 36, 3), np.uint8)).save(tmp_path / 'images/0.png')
    cfg = config(scope='mmseg')
    pipeline = [LOAD, dict(type='ResizeToMultiple', size_divisor=32), dict(type='PackSegInputs')]
    data = dict(
        type='BaseSegDataset',
        img_suffix='.png',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images'),
        test_mode=True,
        metainfo=dict(classes=('a',)),
    )
    cfg.test_dataloader = dict(dataset=dict(**data, pipeline=pipeline))
    found = delivered(cfg)
    assert found.hw == (32, 64) and found.source == 'that of the first image of test_dataloader'
    (tmp_path / 'images/0.png').unlink()
    assert delivered(cfg) is None
