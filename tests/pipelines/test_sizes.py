"""What steps do to the size of an image: who draws it, who ends that, who works in pixels."""

import pytest
from mmengine.config import Config

from mmdownsize.pipelines.sizes import draws, is_sized, named_size, sizes_tried, varying
from mmdownsize.pipelines.walk import chains, pipelines

RESIZE = dict(type='Resize', scale=(40, 30), keep_ratio=True)
DRAWN = dict(type='mmdet.RandomResize', scale=(40, 30), ratio_range=(0.5, 2))
CROP = dict(type='RandomCrop', crop_size=(20, 20))


def steps_of(*steps):
    return list(pipelines(Config(dict(a_pipeline=list(steps))))[0].walk())


@pytest.mark.parametrize(
    ('step', 'drawn'),
    [
        (RESIZE, False),
        (DRAWN, True),
        (dict(type='RandomChoiceResize', scales=[(4, 3), (8, 6)]), True),
        (dict(type='ResizeShortestEdge', scale=[(480, 640), (512, 640)], max_size=1333), True),
        (dict(type='ResizeShortestEdge', scale=(480, 640), max_size=1333), False),
        (dict(type='RandomApply', transforms=[RESIZE]), True),
        (dict(type='RandomChoice', transforms=[[RESIZE], [CROP]]), True),
        (dict(type='Compose', transforms=[RESIZE]), False),
        (dict(type='Albu', transforms=[dict(type='RandomScale')]), True),
    ],
)
def test_who_draws_the_size(step, drawn):
    assert any(draws(one) for one in steps_of(step)) == drawn


@pytest.mark.parametrize(
    ('steps', 'varies'),
    [
        ([RESIZE], None),
        ([DRAWN], 'RandomResize'),
        ([RESIZE, DRAWN], 'RandomResize'),
        ([DRAWN, CROP], 'RandomResize'),  # images that are smaller than the crop stay so
        ([DRAWN, RESIZE], None),
        ([DRAWN, CROP, dict(type='Pad', size=(20, 20))], None),
        ([DRAWN, dict(type='Pad', size_divisor=32)], 'RandomResize'),
        ([DRAWN, dict(type='Resize', scale_factor=0.5)], 'RandomResize'),
        ([DRAWN, dict(type='RandomCenterCropPad', crop_size=(9, 9))], None),
        ([DRAWN, dict(type='RandomApply', transforms=[RESIZE])], 'Resize inside RandomApply'),
    ],
)
def test_what_ends_the_variation(steps, varies):
    (chain,) = chains(pipelines(Config(dict(a_pipeline=steps))))
    found = varying(chain)
    assert (None if found is None else str(found[1])) == varies


@pytest.mark.parametrize(
    ('step', 'sized'),
    [
        (CROP, True),
        (dict(type='MinIoURandomCrop'), True),
        (dict(type='Pad', size_divisor=32), True),
        (dict(type='FixScaleResize', scale=(4, 3)), True),
        (dict(type='YOLOv5RandomAffine'), True),
        (dict(type='RandomShift', max_shift_px=32), True),
        (dict(type='CutOut', n_holes=1, cutout_shape=(4, 4)), True),
        (dict(type='GenerateEdge', edge_width=4), True),
        (dict(type='Mine', crop_size=4), True),
        (dict(type='Albu', transforms=[dict(type='PadIfNeeded')]), True),
        (dict(type='FilterAnnotations', min_gt_bbox_wh=(8, 8)), True),
        (dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)), False),
        (dict(type='RandomFlip', prob=0.5), False),
        (dict(type='PhotoMetricDistortion'), False),
        (dict(type='SegRescale', scale_factor=0.125), False),
        (dict(type='PackDetInputs'), False),
    ],
)
def test_who_works_with_pixels(step, sized):
    assert any(is_sized(one) for one in steps_of(step)) == sized


def test_the_size_that_is_delivered_is_that_of_the_outermost_and_last_resize():
    def cfg(inner, outer, **more):
        wrapped = dict(type='MultiImageMixDataset', pipeline=outer, dataset=dict(type='A', pipeline=inner))
        return Config(dict(train_dataloader=dict(dataset=wrapped), **more))

    other = dict(type='Resize', scale=(80, 60))
    assert named_size(cfg([RESIZE], [CROP]), 'train') == ((40, 30), True)
    assert named_size(cfg([RESIZE], [other]), 'train') == ((80, 60), False)
    assert named_size(cfg([RESIZE], [DRAWN]), 'train') is None
    assert named_size(cfg([CROP], [CROP]), 'train') is None
    several = Config(
        dict(train_dataloader=dict(dataset=dict(datasets=[dict(pipeline=[one]) for one in (RESIZE, other)])))
    )
    assert named_size(several, 'train') is None
    both = cfg([RESIZE], [CROP], val_dataloader=dict(dataset=dict(pipeline=[other])))
    assert named_size(both, 'test', 'val') == ((80, 60), False) and named_size(both, 'test') is None
    fixed = dict(type='FixShapeResize', width=8, height=6)
    assert named_size(cfg([CROP], [fixed]), 'train') == ((8, 6), False)


def test_the_sizes_of_test_time_augmentation_are_counted():
    def tried(*steps):
        return len(sizes_tried(pipelines(Config(dict(tta_pipeline=list(steps))))[0]))

    factors = [dict(type='Resize', scale_factor=factor) for factor in (0.5, 1, 1)]
    assert tried(dict(type='TestTimeAug', transforms=[factors, [CROP]])) == 2
    assert tried(dict(type='TestTimeAug', transforms=[[RESIZE], [CROP]])) == 1
    assert tried(dict(type='MultiScaleFlipAug', scales=[(4, 3), (8, 6)], transforms=[CROP])) == 2
    assert tried(dict(type='MultiScaleFlipAug', scales=(4, 3), transforms=[CROP])) == 1
    assert tried(RESIZE, dict(type='RandomFlip')) == 0
