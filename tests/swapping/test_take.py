"""The last Resize is taken out of every pipeline, wherever it is; what cannot be taken is refused."""

import copy

import pytest
from mmengine.config import Config

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_named_config
from mmdownsize.pipelines.walk import pipelines, read_by
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import edited, notes_of
from mmdownsize.swapping.run import Options, swap_resizer
from mmdownsize.swapping.swap import swap_edits
from mmdownsize.swapping.take import take_resize

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')
RESIZE = dict(type='Resize', scale=(40, 30), keep_ratio=True)
OTHER = dict(type='Resize', scale=(80, 60), keep_ratio=True)
FLIPS = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
TARGET = dict(scale=(40, 30), keep_ratio=True)
CHOICE = dict(type='RandomChoice', transforms=[[PACK], [dict(type='RandomCrop')]])
VOC = 'mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py'


def config(**more):
    steps = [LOAD, RESIZE, PACK]
    settings = dict(train_dataloader=dict(dataset=dict(pipeline=steps)), **more)
    return Config(copy.deepcopy(dict(default_scope='mmseg', **settings)))


def resizes_left(cfg):
    return {one.where for one in pipelines(cfg) for step in one.walk() if step.name == 'Resize'}


def test_shipped_data_sets_inside_others_keep_no_resize(tmp_path):
    out = tmp_path / 'swapped.py'
    swapped = swap_resizer(Options(VOC, take_resize=True, out=out))
    cfg, stock = Config.fromfile(out), read_named_config(VOC)[0]
    assert len(resizes_left(stock)) == 6 and resizes_left(cfg) == set()
    assert cfg.model.data_preprocessor.scale == (1000, 600) and cfg.model.data_preprocessor.keep_ratio
    for ours, theirs in zip(pipelines(cfg), pipelines(stock), strict=True):
        assert [step['type'] for step in ours.steps] == [s['type'] for s in theirs.steps if s['type'] != 'Resize']
    ours, theirs = (one.train_dataloader.dataset.dataset.datasets for one in (cfg, stock))
    assert [one.ann_file for one in ours] == [one.ann_file for one in theirs]  # the rest stays
    said = ' '.join(swapped.notes)
    assert 'datasets.0.pipeline, train_dataloader.dataset.dataset.datasets.1.pipeline: Resize(' in said


@pytest.mark.parametrize(
    'more',
    [
        dict(val_dataloader=[dict(dataset=dict(pipeline=[LOAD, RESIZE])), dict(dataset=dict(pipeline=[RESIZE, PACK]))]),
        dict(val_dataloader=dict(dataset=dict(base=dict(pipeline=[dict(RESIZE, type='mmdet.Resize'), PACK])))),
        dict(val_dataloader=dict(dataset=dict(pipeline=[PACK], dataset=dict(pipeline=[LOAD, RESIZE])))),
        dict(val_dataloader=dict(dataset=dict(pipeline=[RESIZE, PACK], dataset=dict(pipeline=[LOAD])))),
        dict(val_dataloader=dict(dataset=dict(pipeline=[dict(type='ProposalBroadcaster', transforms=[RESIZE, PACK])]))),
        dict(val_dataloader=dict(dataset=dict(pipeline=[dict(type='KeyMapper', transforms=[RESIZE, PACK])]))),
        dict(custom_hooks=[dict(type='Other'), dict(type='PipelineSwitchHook', switch_pipeline=[LOAD, RESIZE])]),
        dict(test_pipeline=[LOAD, RESIZE, PACK]),
        dict(train_pipeline_stage2=[LOAD, RESIZE, PACK], my_dataset=dict(pipeline=[LOAD, RESIZE])),
        dict(tta_pipeline=[LOAD, dict(type='TestTimeAug', transforms=[[RESIZE], FLIPS, [PACK]])]),
        dict(tta_pipeline=[LOAD, dict(type='TestTimeAug', transforms=[[[RESIZE]], FLIPS, [PACK]])]),
        dict(tta_pipeline=[LOAD, RESIZE, dict(type='TestTimeAug', transforms=[FLIPS, [PACK]])]),
    ],
)
def test_it_is_taken_out_of_every_place(more):
    cfg = config(**more)
    target, edits = take_resize(cfg)
    assert target == TARGET and len(resizes_left(cfg)) > 1
    after = edited(cfg, edits)
    assert resizes_left(after) == set()
    # Nothing else goes, and no group without alternatives is left in test-time augmentation.
    left = [[step.name for step in one.walk()] for one in pipelines(after)]
    assert left == [[step.name for step in one.walk() if step.name != 'Resize'] for one in pipelines(cfg)]
    if 'tta_pipeline' in more:
        assert after.tta_pipeline[-1].transforms == [FLIPS, [PACK]]


def test_an_earlier_resize_and_what_is_drawn_before_the_last_one_stay():
    cfg = config(val_dataloader=dict(dataset=dict(pipeline=[dict(type='RandomResize', scale=9), OTHER, RESIZE, PACK])))
    after = edited(cfg, take_resize(cfg)[1])
    assert [step.type for step in after.val_dataloader.dataset.pipeline] == ['RandomResize', 'Resize', 'PackDetInputs']
    assert after.val_dataloader.dataset.pipeline[1] == OTHER


def test_a_copy_of_another_size_stays_and_is_named():
    cfg = config(train_pipeline=[LOAD, OTHER, PACK], load_pipeline=[LOAD])
    _, edits = take_resize(cfg)
    assert edited(cfg, edits).train_pipeline == cfg.train_pipeline
    assert any(note.startswith('train_pipeline keeps its Resize') for note in notes_of(edits))
    assert not any('load_pipeline' in note for note in notes_of(edits))


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (dict(test_pipeline=[LOAD, OTHER]), r"different sizes, .*'test_pipeline': \{'scale': \(80, 60\)"),
        (
            dict(val_dataloader=dict(dataset=dict(datasets=[dict(pipeline=[LOAD])]))),
            r'datasets\.0\.pipeline has no Resize',
        ),
        (
            dict(val_dataloader=dict(dataset=dict(pipeline=[dict(type='RandomApply', transforms=[RESIZE])]))),
            'has Resize inside RandomApply, which draws a size',
        ),
        (
            dict(val_dataloader=dict(dataset=dict(dataset=dict(pipeline=[RESIZE]), pipeline=[dict(type='Mosaic')]))),
            r'val_dataloader\.dataset\.pipeline: Mosaic after Resize works with pixels of the small image',
        ),
        (
            dict(custom_hooks=[dict(switch_pipeline=[LOAD, dict(type='RandomResize')])]),
            r'custom_hooks\.0\.switch_pipeline has RandomResize, which draws a size',
        ),
        (
            dict(val_dataloader=dict(dataset=dict(pipeline=[RESIZE, CHOICE]))),
            'RandomCrop inside RandomChoice after Resize works with pixels',
        ),
        (
            dict(val_dataloader=dict(dataset=dict(pipeline=[dict(type='KeyMapper', transforms=RESIZE)]))),
            'has no Resize to take',
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_by_its_place(more, message):
    with pytest.raises(Refusal, match=message):
        take_resize(config(**more))


def test_several_sizes_of_test_time_augmentation_stay_and_are_named():
    sizes = [RESIZE, OTHER]
    preprocessor = dict(type='SegDataPreProcessor', mean=[1.0, 2.0, 3.0])
    tta = [LOAD, dict(type='TestTimeAug', transforms=[sizes, FLIPS, [PACK]])]
    cfg = config(tta_pipeline=tta, model=dict(type='X', data_preprocessor=preprocessor))
    edits = swap_edits(cfg, dict(type='DownsizeNet'), None)
    assert edited(cfg, edits).tta_pipeline == cfg.tta_pipeline
    said = [note for note in notes_of(edits) if note.startswith('tta_pipeline tests images at 2 sizes')]
    assert len(said) == 1 and 'raises an error; give --scale-factor' in said[0]
    assert len(read_by(cfg, 'tta')) == 1


def test_mmsegs_inferencers_read_the_same_pipeline_as_the_loader(tmp_path):
    small = tmp_path / 'stock.py'
    cfg = config(
        test_pipeline=[LOAD, RESIZE, PACK],
        test_dataloader=dict(dataset=dict(pipeline=[LOAD, RESIZE, PACK])),
        model=dict(type='X', data_preprocessor=dict(type='SegDataPreProcessor')),
    )
    cfg.dump(small)
    out = tmp_path / 'swapped.py'
    swap_resizer(Options(str(small), take_resize=True, out=out))
    read = Config.fromfile(out)
    assert read.test_pipeline == read.test_dataloader.dataset.pipeline == [LOAD, PACK]
