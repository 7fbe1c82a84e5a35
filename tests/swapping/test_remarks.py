"""Sizes in px that mean something else before a downsizer: windows, crops, and the copy that test-time augmentation reads."""

import pytest
from mmengine.config import Config

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_named_config
from mmdownsize.swapping.edits import changes_of, edited, notes_of
from mmdownsize.swapping.remarks import remarks, scale_windows
from mmdownsize.swapping.swap import swap_edits

SEGFORMER = 'mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py'
SLIDE = dict(mode='slide', crop_size=(512, 256), stride=(341, 171))


def config(test_cfg, *train, **more):
    return Config(
        dict(model=dict(test_cfg=test_cfg), train_dataloader=dict(dataset=dict(pipeline=list(train))), **more)
    )


def test_the_windows_of_a_shipped_config_show_what_they_did():
    cfg = read_named_config(SEGFORMER)[0]
    edits = swap_edits(cfg, dict(type='DownsizeNet'), dict(scale_factor=0.5))
    after = edited(cfg, edits)
    assert after.model.test_cfg == dict(mode='slide', crop_size=(512, 512), stride=(384, 384))
    said = ' '.join(notes_of(edits))
    assert 'crop_size=(1024, 1024) -> (512, 512), stride=(768, 768) -> (384, 384)' in said
    assert 'trained on (512, 512) px (h, w); crop_size=(2048, 2048)' in said


@pytest.mark.parametrize(
    ('target', 'scaled'),
    [
        (dict(scale_factor=0.5), ((256, 128), (171, 86))),
        (dict(scale_factor=(0.5, 0.25)), ((128, 128), (85, 86))),
        (dict(scale=(500, 250), keep_ratio=True), ((256, 128), (171, 86))),
    ],
)
def test_windows_are_scaled_as_images_are(target, scaled):
    cfg = config(SLIDE, test_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=(1000, 500))])))
    changes = changes_of(scale_windows(cfg, target))
    assert changes == {'model': {'test_cfg': dict(zip(('crop_size', 'stride'), scaled))}}


def test_windows_are_named_where_nothing_says_by_what_factor():
    edits = scale_windows(config(SLIDE), dict(scale=(500, 250)))
    assert changes_of(edits) == {}
    assert 'crop_size=(512, 256), stride=(341, 171): these are pixels of the downsized image' in notes_of(edits)[0]


@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), None, dict(rcnn=dict(nms=1))])
def test_without_windows_there_is_nothing_to_say(test_cfg):
    assert scale_windows(config(test_cfg), dict(scale_factor=0.5)) == []


@pytest.mark.parametrize(
    ('crop', 'target', 'said'),
    [
        (dict(type='RandomCrop', crop_size=(80, 60)), dict(scale_factor=0.5), 'trained on (40, 30) px'),
        (dict(type='RandomCrop', crop_size=64), dict(scale_factor=0.5), 'crop_size=(128, 128)'),
        (dict(type='RandomCrop', crop_size=(80, 60)), dict(scale_factor=(0.5, 0.25)), 'crop_size=(320, 120)'),
        (dict(type='RandomCrop', crop_type='relative', crop_size=(0.5, 0.5)), dict(scale_factor=0.5), ''),
        (
            dict(type='RandomChoice', transforms=[[dict(type='RandomCrop')]]),
            dict(scale=9),
            'RandomCrop inside RandomChoice',
        ),
        (dict(type='MinIoURandomCrop'), dict(scale=9), 'MinIoURandomCrop in the training pipeline'),
        (dict(type='RandomFlip'), dict(scale=9), ''),
    ],
)
def test_training_crops_are_explained(crop, target, said):
    notes = notes_of(remarks(config(None, crop), {}, target))
    assert (said in notes[0]) if said else notes == []


def test_the_copy_at_the_top_is_edited_likewise():
    own = dict(type='SegDataPreProcessor', mean=[1.0, 2.0, 3.0], size=(8, 8))
    cfg = Config(dict(default_scope='mmseg', data_preprocessor=own, model=dict(type='X', data_preprocessor=own)))
    edits = swap_edits(cfg, dict(type='DownsizeNet'), dict(scale_factor=0.5))
    after = edited(cfg, edits)
    assert after.data_preprocessor == after.model.data_preprocessor
    assert (
        after.data_preprocessor.type == 'mmdownsize.SegDownsizePreprocessor'
        and after.data_preprocessor.mean == own['mean']
    )
    assert any('the copy at the top of the config' in note for note in notes_of(edits))


def test_a_preprocessor_that_is_at_the_top_alone_keeps_its_settings():
    own = dict(type='DetDataPreprocessor', mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])
    cfg = Config(dict(default_scope='mmdet', data_preprocessor=own, model=dict(type='X')))
    after = edited(cfg, swap_edits(cfg, dict(type='DownsizeNet'), dict(scale_factor=0.5)))
    assert after.model.data_preprocessor == after.data_preprocessor and after.model.data_preprocessor.std == own['std']
