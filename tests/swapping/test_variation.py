"""What varies the size of images goes on doing so before a target in px, or is refused."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_named_config
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import edited, notes_of
from mmdownsize.swapping.swap import swap_edits
from mmdownsize.swapping.variation import factor_of, keep_drawn_sizes

DOWNSIZER = dict(type='FixedResizer')
MULTI_SCALE = 'mmdet::retinanet/retinanet_r50_fpn_ms-640-800-3x_coco.py'
DRAWN = dict(type='RandomResize', scale=[(1333, 640), (1333, 800)], keep_ratio=True)


def config(train, test):
    return Config(
        dict(
            train_dataloader=dict(dataset=dict(pipeline=train)),
            test_dataloader=dict(dataset=dict(pipeline=[test] if test else [dict(type='LoadImageFromFile')])),
        )
    )


def test_a_multi_scale_schedule_still_trains_at_many_scales():
    cfg = read_named_config(MULTI_SCALE)[0]
    edits = swap_edits(cfg, DOWNSIZER, dict(scale=(667, 400), keep_ratio=True))
    said = ' '.join(notes_of(edits))
    assert 'RandomResize draws the sizes of training images' in said and 'train_scale_factor=(0.5, 0.5)' in said
    init_default_scope('mmdet')
    preprocessor = MODELS.build(edited(cfg, edits).model.data_preprocessor)
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    def small(h, w, training):
        sample = DetDataSample(metainfo=dict(img_shape=(h, w), ori_shape=(h, w), scale_factor=(1.0, 1.0)))
        sample.gt_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        batch = dict(inputs=[torch.zeros(3, h, w, dtype=torch.uint8)], data_samples=[sample])
        return preprocessor(batch, training)['data_samples'][0].img_shape

    assert small(800, 1216, False) == (400, 608)
    assert [small(h, 1216, True) for h in (640, 720, 800)] == [(320, 608), (360, 608), (400, 608)]


@pytest.mark.parametrize(
    ('test', 'target', 'factor'),
    [
        (dict(type='Resize', scale=(1333, 800), keep_ratio=True), dict(scale=(667, 400), keep_ratio=True), 0.5),
        (dict(type='Resize', scale=(1333, 800), keep_ratio=True), dict(scale=(400, 667), keep_ratio=True), 0.5),
        (dict(type='Resize', scale=(300, 300)), dict(scale=(100, 100)), 0.3333),
        (dict(type='Resize', scale=(300, 300)), dict(scale=100), 0.3333),
        (dict(type='Resize', scale=(1333, 800), keep_ratio=True), dict(scale=(667, 400)), None),  # another proportion
        (dict(type='Resize', scale=(1333, 800), keep_ratio=True), dict(scale=(400, 400), keep_ratio=True), None),
        (dict(type='Resize', scale_factor=0.5), dict(scale=(400, 400)), None),
        (None, dict(scale=(400, 400)), None),
    ],
)
def test_the_factor_is_that_of_the_images_that_are_tested(test, target, factor):
    cfg = config([DRAWN], test)
    assert factor_of(cfg, target) == factor
    if factor is None:
        with pytest.raises(
            Refusal, match=r'RandomResize, which draws the sizes of training images.*give --scale-factor'
        ):
            keep_drawn_sizes(cfg, target)
    else:
        (edit,) = keep_drawn_sizes(cfg, target)
        assert edit.key == 'model.data_preprocessor.train_scale_factor' and edit.value == (factor, factor)


@pytest.mark.parametrize(
    ('train', 'target'),
    [
        ([dict(type='Resize', scale=(300, 300))], dict(scale=(100, 100))),
        ([DRAWN, dict(type='Pad', size=(300, 300))], dict(scale=(100, 100))),
        ([DRAWN], dict(scale_factor=0.5)),
    ],
)
def test_nothing_is_changed_where_nothing_is_undone(train, target):
    assert keep_drawn_sizes(config(train, dict(type='Resize', scale=(300, 300))), target) == []


def test_sizes_that_a_choice_or_a_hook_draws_are_seen():
    test, target = dict(type='Resize', scale=(300, 300)), dict(scale=(100, 100))
    choice = dict(type='RandomChoice', transforms=[[dict(type='RandomChoiceResize')], [dict(type='RandomCrop')]])
    (edit,) = keep_drawn_sizes(config([choice], test), target)
    assert 'RandomChoiceResize inside RandomChoice' in edit.why
    cfg = config([test], test)
    cfg.custom_hooks = [dict(type='PipelineSwitchHook', switch_pipeline=[DRAWN])]
    (edit,) = keep_drawn_sizes(cfg, target)
    assert edit.why.startswith('custom_hooks.0.switch_pipeline: RandomResize')


def test_a_fit_to_whole_images_draws_nothing():
    cfg = read_named_config('mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py')[0]
    target = dict(scale=(128, 128))
    with pytest.raises(Refusal, match='RandomResize, which draws'):
        swap_edits(cfg, DOWNSIZER, target)
    assert 'train_scale_factor' not in str(swap_edits(cfg, DOWNSIZER, target, own_images=False))


def test_a_batch_that_is_padded_to_one_size_is_padded_to_that_size_downsized():
    cfg = read_named_config('mmdet::atss/atss_r18_fpn_8xb8-amp-lsj-200e_coco.py')[0]
    edits = swap_edits(cfg, DOWNSIZER, dict(scale=(667, 400), keep_ratio=True))
    init_default_scope('mmdet')
    preprocessor = MODELS.build(edited(cfg, edits).model.data_preprocessor)
    assert preprocessor.train_scale_factor == (0.5, 0.5) and preprocessor.batch_augments[0].size == (512, 512)
    assert preprocessor.draw_target().of((301, 1000)) == (151, 500)
