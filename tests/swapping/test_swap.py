"""The edits that put a downsizer into a config, their explanations, and what is refused."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_named_config
from mmdownsize.swapping.edits import changes_of, notes_of
from mmdownsize.swapping.swap import swap_edits

DOWNSIZER = dict(type='DownsizeNet', neighbors=4)


def config(pipeline=None, preprocessor=None, **loaders):
    steps = pipeline or [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(40, 30)),
        dict(type='PackDetInputs'),
    ]
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='X', data_preprocessor=preprocessor or dict(type='DetDataPreprocessor', mean=[1.0, 2.0, 3.0])
            ),
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=dict(type='A', pipeline=copy.deepcopy(steps)))
            ),
            val_dataloader=dict(dataset=dict(type='A', pipeline=copy.deepcopy(steps))),
            **loaders,
        )
    )


def test_two_lines_are_all_there_is():
    edits = swap_edits(config(), DOWNSIZER, dict(scale_factor=0.4))
    assert changes_of(edits) == {
        'model': {
            'data_preprocessor': {
                'type': 'mmdownsize.DetDownsizePreprocessor',
                'downsizer': DOWNSIZER,
                'scale_factor': 0.4,
            }
        }
    }
    assert 'DetDataPreprocessor -> mmdownsize.DetDownsizePreprocessor' in notes_of(edits)[0]
    assert 'scale_factor=0.4' in notes_of(edits)[1]


@pytest.mark.parametrize('kind', ['DownsizeNet', 'ImportanceResizer', 'LearnedResizer'])
def test_a_model_of_four_channels_gets_a_downsizer_of_four(kind):
    cfg = config()
    cfg.model.backbone = dict(type='ResNet', in_channels=4)
    settings = changes_of(swap_edits(cfg, dict(type=kind), dict(scale_factor=0.5)))['model']['data_preprocessor']
    assert settings['downsizer'] == dict(type=kind, in_channels=4)
    own = dict(type=kind, in_channels=5)
    settings = changes_of(swap_edits(cfg, own, dict(scale_factor=0.5)))['model']['data_preprocessor']
    assert settings['downsizer'] == own
    fixed = dict(type='FixedResizer', kernel='area')  # takes any
    settings = changes_of(swap_edits(cfg, fixed, dict(scale_factor=0.5)))['model']['data_preprocessor']
    assert settings['downsizer'] == fixed


def test_a_resize_is_taken_out_of_every_pipeline_also_below_wrappers():
    edits = swap_edits(config(), DOWNSIZER, None)
    left = [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]
    assert changes_of(edits)['model']['data_preprocessor']['scale'] == (40, 30)
    assert changes_of(edits)['train_dataloader'] == {'dataset': {'dataset': {'pipeline': left}}}
    assert changes_of(edits)['val_dataloader'] == {'dataset': {'pipeline': left}}
    assert len(notes_of(edits)) == 4


LOAD, PACK, RESIZE = dict(type='LoadImageFromFile'), dict(type='PackDetInputs'), dict(type='Resize', scale=(40, 30))


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (config([LOAD, 'Resize', PACK]), r"pipeline: a step must be dict\(type=\.\.\.\), got 'Resize'"),
        (config([LOAD, PACK]), r'train_dataloader.dataset.dataset.pipeline has no Resize to take'),
        (config([LOAD, dict(type='mmdet.RandomResize'), PACK]), 'RandomResize, which draws a size'),
        (
            config([LOAD, RESIZE, dict(type='RandomCrop'), PACK]),
            'RandomCrop after Resize works with pixels of the small',
        ),
        (config(test_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=(9, 9))]))), 'different sizes'),
        (config([LOAD, dict(type='Normalize'), PACK]), r'normalises images; a downsizer needs them in 0\.\.255'),
        (config(preprocessor=dict(type='TrackDataPreprocessor')), 'TrackDataPreprocessor has no counterpart here'),
        (config(preprocessor=dict(type='MultiBranchDataPreprocessor')), 'edited by hand, see docs/training.md'),
        (config(preprocessor=dict(type='mmdownsize.DetDownsizePreprocessor')), 'has a downsizer already'),
        (Config(dict(model=dict(type='X'))), 'no model.data_preprocessor'),
        (Config(dict(model=dict(data_preprocessor=dict(type='DetDataPreprocessor')))), 'no pipelines'),
    ],
)
def test_what_cannot_be_swapped_is_refused_with_the_way_out(cfg, message):
    with pytest.raises(ValueError, match=message):
        swap_edits(cfg, DOWNSIZER, None)


def test_sizes_that_were_drawn_behind_the_downsizer_are_drawn_by_it():
    cfg, _ = read_named_config('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py')
    edits = swap_edits(cfg, DOWNSIZER, dict(scale_factor=0.5))
    # (320, 640) px of images of 640, of which half is wanted
    assert changes_of(edits)['model']['data_preprocessor']['train_scale_factor'] == (0.25, 0.5)
    assert any('the downsizer draws a factor for every batch instead' in note for note in notes_of(edits))
    cfg.merge_from_dict(changes_of(edits))
    init_default_scope('mmdet')
    preprocessor = MODELS.build(cfg.model.data_preprocessor).train()
    assert preprocessor.pad_size_divisor == 32 and not preprocessor.batch_augments
    torch.manual_seed(0)
    image = torch.zeros(3, 640, 640, dtype=torch.uint8)
    sides = [preprocessor(dict(inputs=[image], data_samples=[sample()]), True)['inputs'].shape[-1] for _ in range(40)]
    assert set(sides) == {192, 224, 256, 288, 320}  # padded to 32
    assert preprocessor(dict(inputs=[image], data_samples=[sample()]), False)['inputs'].shape[-1] == 320


def sample():
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 64, 64]]), labels=torch.tensor([0]))
    metainfo = dict(img_shape=(640, 640), ori_shape=(640, 640), scale_factor=(1.0, 1.0))
    return DetDataSample(gt_instances=instances, metainfo=metainfo)


def test_sizes_that_are_drawn_around_nobody_knows_what_are_refused():
    drawing = dict(type='mmdet.BatchSyncRandomResize', random_size_range=(32, 64))
    for steps in ([LOAD, PACK], [LOAD, dict(type='Resize', scale_factor=0.5), PACK]):
        cfg = config(steps, dict(type='DetDataPreprocessor', batch_augments=[drawing]))
        with pytest.raises(
            ValueError, match=r'no Resize in the pipeline of train_dataloader tells .* give train_scale'
        ):
            swap_edits(cfg, DOWNSIZER, dict(scale_factor=0.5))
    cfg = config([LOAD, RESIZE, PACK], dict(type='DetDataPreprocessor', batch_augments=[dict(type='A'), drawing]))
    height = RESIZE['scale'][1]
    settings = changes_of(swap_edits(cfg, DOWNSIZER, dict(scale=(50, 20))))['model']['data_preprocessor']
    assert settings['batch_augments'] == [dict(type='A')]
    assert settings['train_scale_factor'] == pytest.approx(
        (32 / height * 20 / height, 64 / height * 20 / height), abs=1e-4
    )


def test_what_stays_in_source_pixels_is_explained():
    cfg = config(preprocessor=dict(type='SegDataPreProcessor', size=(64, 128), pad_size_divisor=32))
    notes = notes_of(swap_edits(cfg, DOWNSIZER, dict(scale_factor=0.5)))
    assert any('size=(64, 128) stays the size before downsizing' in note for note in notes)
    assert any('pad_size_divisor=32 now pads the downsized image' in note for note in notes)


def test_what_is_cut_out_and_resized_to_a_fixed_size_is_explained():
    cfg = config([LOAD, dict(type='RandomCrop', crop_size=(20, 20)), PACK])
    for target, explained in ((dict(scale=(50, 20)), True), (dict(scale_factor=0.5), False)):
        notes = notes_of(swap_edits(cfg, DOWNSIZER, target))
        assert explained == any('RandomCrop in the training pipeline' in note for note in notes)
    assert not any('RandomCrop' in note for note in notes_of(swap_edits(config(), DOWNSIZER, dict(scale=9))))
