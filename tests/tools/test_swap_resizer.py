"""tools/swap_resizer.py: the edits, their explanations, what is refused, and that the result works."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_fragment, without_downloads
from mmdownsize.swapping.check import check
from tests.tools.small_training import write_config
from tools import swap_resizer

RETINANET = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
FCN = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'
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
    swap = swap_resizer.swap_resizer(config(), DOWNSIZER, dict(scale_factor=0.4))
    assert swap.changes == {
        'model': {
            'data_preprocessor': {
                'type': 'mmdownsize.DetDownsizePreprocessor',
                'downsizer': DOWNSIZER,
                'scale_factor': 0.4,
            }
        }
    }
    assert 'DetDataPreprocessor -> mmdownsize.DetDownsizePreprocessor' in swap.notes[0]
    assert 'scale_factor=0.4' in swap.notes[1]


def test_a_resize_is_taken_out_of_every_pipeline_also_below_wrappers():
    swap = swap_resizer.swap_resizer(config(), DOWNSIZER, None)
    left = [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]
    assert swap.changes['model']['data_preprocessor']['scale'] == (40, 30)
    assert swap.changes['train_dataloader'] == {'dataset': {'dataset': {'pipeline': left}}}
    assert swap.changes['val_dataloader'] == {'dataset': {'pipeline': left}}
    assert len(swap.notes) == 4


LOAD, PACK, RESIZE = dict(type='LoadImageFromFile'), dict(type='PackDetInputs'), dict(type='Resize', scale=(40, 30))


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (config([LOAD, PACK]), r'train_dataloader.dataset.dataset.pipeline has no Resize to take'),
        (config([LOAD, dict(type='mmdet.RandomResize'), PACK]), 'RandomResize, which draws a size'),
        (
            config([LOAD, RESIZE, dict(type='RandomCrop'), PACK]),
            'RandomCrop after Resize works with pixels of the small',
        ),
        (config(test_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=(9, 9))]))), 'different sizes'),
        (config([LOAD, dict(type='Normalize'), PACK]), r'normalises images; a downsizer wants them in 0\.\.255'),
        (config(preprocessor=dict(type='TrackDataPreprocessor')), 'TrackDataPreprocessor has no counterpart here'),
        (config(preprocessor=dict(type='MultiBranchDataPreprocessor')), 'edited by hand, see docs/training.md'),
        (config(preprocessor=dict(type='mmdownsize.DetDownsizePreprocessor')), 'has a downsizer already'),
        (Config(dict(model=dict(type='X'))), 'no model.data_preprocessor'),
        (Config(dict(model=dict(data_preprocessor=dict(type='DetDataPreprocessor')))), 'no pipelines'),
    ],
)
def test_what_cannot_be_swapped_is_refused_with_the_way_out(cfg, message):
    with pytest.raises(ValueError, match=message):
        swap_resizer.swap_resizer(cfg, DOWNSIZER, None)


def test_sizes_that_were_drawn_behind_the_downsizer_are_drawn_by_it():
    cfg, _ = swap_resizer.load('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py')
    swap = swap_resizer.swap_resizer(cfg, DOWNSIZER, dict(scale_factor=0.5))
    # (320, 640) px of images of 640, of which half is wanted
    assert swap.changes['model']['data_preprocessor']['train_scale_factor'] == (0.25, 0.5)
    assert any('the downsizer draws a factor for every batch instead' in note for note in swap.notes)
    cfg.merge_from_dict(swap.changes)
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
            swap_resizer.swap_resizer(cfg, DOWNSIZER, dict(scale_factor=0.5))
    cfg = config([LOAD, RESIZE, PACK], dict(type='DetDataPreprocessor', batch_augments=[dict(type='A'), drawing]))
    height = RESIZE['scale'][1]
    settings = swap_resizer.swap_resizer(cfg, DOWNSIZER, dict(scale=(50, 20))).changes['model']['data_preprocessor']
    assert settings['batch_augments'] == [dict(type='A')]
    assert settings['train_scale_factor'] == pytest.approx(
        (32 / height * 20 / height, 64 / height * 20 / height), abs=1e-4
    )


def test_what_stays_in_source_pixels_is_explained():
    cfg = config(preprocessor=dict(type='SegDataPreProcessor', size=(64, 128), pad_size_divisor=32))
    notes = swap_resizer.swap_resizer(cfg, DOWNSIZER, dict(scale_factor=0.5)).notes
    assert any('size=(64, 128) stays the size before downsizing' in note for note in notes)
    assert any('pad_size_divisor=32 now pads the downsized image' in note for note in notes)


def test_what_is_cut_out_and_resized_to_a_fixed_size_is_explained():
    cfg = config([LOAD, dict(type='RandomCrop', crop_size=(20, 20)), PACK])
    for target, explained in ((dict(scale=(50, 20)), True), (dict(scale_factor=0.5), False)):
        notes = swap_resizer.swap_resizer(cfg, DOWNSIZER, target).notes
        assert explained == any('RandomCrop in the training pipeline' in note for note in notes)
    assert not any('RandomCrop' in note for note in swap_resizer.swap_resizer(config(), DOWNSIZER, dict(scale=9)).notes)


def test_a_shipped_detector_taken_at_full_resolution_sees_images_of_the_same_size(tmp_path, capsys):
    out = tmp_path / 'deep/swapped.py'
    swap_resizer.main([RETINANET, '--take-resize', '--out', str(out), '--downsizer', 'bilinear'])
    assert 'pad_size_divisor=32' in capsys.readouterr().err
    swapped, stock = Config.fromfile(out), swap_resizer.load(RETINANET)[0]
    assert out.read_text().startswith('# model.data_preprocessor.type: DetDataPreprocessor -> ')
    assert swapped.model.backbone == stock.model.backbone
    assert swapped.model.data_preprocessor.mean == stock.model.data_preprocessor.mean
    init_default_scope('mmdet')
    path = tmp_path / 'image.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)).save(path)
    seen = []
    for cfg in (swapped, stock):
        steps = [step for step in cfg.test_dataloader.dataset.pipeline if step.type != 'LoadAnnotations']
        sample = Compose(steps)(dict(img_path=str(path), img_id=0))
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        seen.append(MODELS.build(cfg.model.data_preprocessor)(batch))
    assert seen[0]['inputs'].shape == seen[1]['inputs'].shape
    ours, theirs = (out['data_samples'][0] for out in seen)
    assert ours.img_shape == theirs.img_shape and ours.ori_shape == theirs.ori_shape
    assert ours.scale_factor == pytest.approx(theirs.scale_factor)


@pytest.mark.parametrize('name', [RETINANET, FCN, 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'])
def test_check_builds_it_and_finds_losses_gradients_and_predictions(name, tmp_path, capsys):
    swap_resizer.main([name, '--check', '--out', str(tmp_path / 'swapped.py'), '--scale-factor', '0.25'])
    said = ' '.join(capsys.readouterr().err.split())
    assert 'check: losses and gradients: loss' in said and 'check: a prediction: 2 samples' in said


def test_check_sees_a_downsizer_that_cannot_learn(tmp_path, data, monkeypatch):
    path = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    cfg = Config.fromfile(path)
    assert check(copy.deepcopy(cfg))
    preprocess = torch.no_grad()(lambda self, data, training: self.__class__.__mro__[1].forward(self, data, training))
    monkeypatch.setattr('mmdownsize.preprocessors.seg.SegDownsizePreprocessor.forward', preprocess, raising=False)
    with pytest.raises(ValueError, match='the downsizer gets no gradient'):
        check(cfg)


def test_a_config_is_printed_where_no_file_is_named(tmp_path, capsys):
    path = tmp_path / 'mine.py'
    config().dump(path)
    swap_resizer.main([str(path), '--scale', '80', '60', '--keep-ratio'])
    printed = capsys.readouterr().out
    (tmp_path / 'again.py').write_text(printed)
    assert Config.fromfile(tmp_path / 'again.py').model.data_preprocessor.to_dict() == {
        'type': 'mmdownsize.DetDownsizePreprocessor',
        'mean': [1.0, 2.0, 3.0],
        'downsizer': read_fragment('downsizenet_2x2')[0],
        'scale': (80, 60),
        'keep_ratio': True,
    }


def test_a_downsizer_with_rates_of_its_own_brings_them(tmp_path, capsys):
    path = tmp_path / 'mine.py'
    cfg = config()
    cfg.optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}))
    cfg.dump(path)
    swap_resizer.main([str(path), '--downsizer', 'downsizenet_6x6_signed', '--out', str(tmp_path / 'swapped.py')])
    assert Config.fromfile(tmp_path / 'swapped.py').optim_wrapper.paramwise_cfg.to_dict() == {
        'norm_decay_mult': 0.0,
        'custom_keys': {'backbone': dict(lr_mult=0.1), **read_fragment('downsizenet_6x6_signed')[1]},
    }
    assert 'multiples of the learning rate: fusion 8, texture 1' in capsys.readouterr().err.replace('\n', ' ')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'no such config: nowhere.py'),
        (['mmdet::no/such.py'], 'no config mmdet::no/such.py'),
        (['x.py', '--downsizer', 'linear'], "unknown fragment 'linear', choose one of antialiased, area"),
    ],
)
def test_bad_command_lines(arguments, message):
    with pytest.raises(SystemExit, match=message):
        swap_resizer.main(arguments)


def test_no_pretrained_weights_are_looked_for_wherever_they_are_named() -> None:
    normal = dict(type='Normal', layer='Conv2d')
    model = dict(
        backbone=dict(type='ResNet', init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
        neck=dict(type='PVT', init_cfg=dict(checkpoint='https://example.org/pvt.pth')),
        heads=[dict(init_cfg=[normal, dict(type='Pretrained', checkpoint='head.pth')]), dict(init_cfg=normal)],
        image_encoder=dict(pretrained='clip.pth'),
        teacher_ckpt='teacher.pth',
    )
    without_downloads(model)
    assert model == dict(
        backbone=dict(type='ResNet', init_cfg=None),
        neck=dict(type='PVT', init_cfg=None),
        heads=[dict(init_cfg=[normal]), dict(init_cfg=normal)],
        image_encoder=dict(pretrained=None),
        teacher_ckpt=None,
    )
