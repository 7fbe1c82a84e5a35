"""The size of the images that a config's pipelines deliver, as far as the config says it."""

import pytest
from mmengine.config import Config

from mmdownsize.configs import read_named_config
from mmdownsize.pipelines.said import delivered_hw

SHIPPED = [
    # (config, in training, at test time), each (h, w)
    ('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', (640, 640), (640, 640)),  # mosaic, resize, crop, pad
    ('mmdet::yolox/yolox_tiny_8xb8-300e_coco.py', (640, 640), (416, 416)),  # a mosaic around the data set
    ('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', (800, 1333), (800, 1333)),
    ('mmdet::detr/detr_r50_8xb2-150e_coco.py', (800, 800), (800, 1333)),  # a crop of 600 px inside RandomChoice
    ('mmdet::ssd/ssd300_coco.py', (300, 300), (300, 300)),  # inside RepeatDataset
    ('mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py', (600, 1000), (600, 1000)),  # inside ConcatDataset
    ('mmdet::centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py', (512, 512), None),
    ('mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py', (512, 1024), (1024, 2048)),
    ('mmseg::beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py', (640, 640), (640, 2560)),
    ('mmseg::san/san-vit-b16_coco-stuff164k-640x640.py', (640, 640), (640, 640)),  # ResizeShortestEdge
]


@pytest.mark.parametrize(('name', 'training', 'test'), SHIPPED, ids=[name for name, _, _ in SHIPPED])
def test_sizes_of_shipped_configs(name, training, test):
    pytest.importorskip(name.partition('::')[0])
    cfg = read_named_config(name)[0]
    assert (delivered_hw(cfg, training=True), delivered_hw(cfg)) == (training, test)


@pytest.mark.parametrize(
    ('scope', 'steps', 'hw'),
    [
        ('mmdet', [], None),  # as large as the files are
        ('mmdet', [dict(type='Resize', scale_factor=0.5)], None),
        ('mmdet', [dict(type='Resize', scale=(64, 48))], (48, 64)),
        ('mmdet', [dict(type='Resize', scale=64)], (64, 64)),
        (
            'mmdet',
            [dict(type='Resize', scale=(48, 64), keep_ratio=True)],
            (48, 64),
        ),  # of a box the wide form: any order
        ('mmdet', [dict(type='Resize', scale=(48, 64))], (64, 48)),
        ('mmdet', [dict(type='mmcv.Resize', scale=(64, 48)), dict(type='Resize', scale_factor=(0.5, 0.25))], (12, 32)),
        ('mmdet', [dict(type='Resize', scale=(64, 48)), dict(type='Resize', scale=32, keep_ratio=True)], (24, 32)),
        ('mmdet', [dict(type='RandomChoiceResize', scales=[(64, 48), (80, 60), (72, 54)])], (60, 80)),
        ('mmdet', [dict(type='RandomResize', scale=[(64, 48), (80, 60)])], (60, 80)),
        ('mmdet', [dict(type='FixShapeResize', width=64, height=48)], (48, 64)),
        ('mmdet', [dict(type='RandomCrop', crop_size=(64, 48))], (48, 64)),  # (w, h) in mmdet
        ('mmseg', [dict(type='RandomCrop', crop_size=(64, 48))], (64, 48)),  # (h, w) in mmseg
        ('mmseg', [dict(type='CenterCrop', crop_size=(64, 48))], (48, 64)),  # mmcv's
        ('mmdet', [dict(type='Resize', scale=(40, 90)), dict(type='RandomCrop', crop_size=(64, 48))], (48, 40)),
        ('mmdet', [dict(type='RandomCrop', crop_size=(0.5, 0.5), crop_type='relative_range')], None),
        ('mmdet', [dict(type='RandomCrop', crop_size=(384, 600), crop_type='absolute_range')], (600, 600)),
        ('mmdet', [dict(type='Resize', scale=(40, 90)), dict(type='Pad', size_divisor=32)], (96, 64)),
        ('mmdet', [dict(type='Resize', scale=(40, 90)), dict(type='Pad', pad_to_square=True)], (90, 90)),
        ('mmseg', [dict(type='Resize', scale=(40, 90)), dict(type='ResizeToMultiple', size_divisor=32)], (96, 64)),
        ('mmseg', [dict(type='Resize', scale=(80, 40)), dict(type='ResizeShortestEdge', scale=20)], (20, 40)),
    ],
)
def test_sizes_after_steps(scope, steps, hw):
    cfg = Config(dict(default_scope=scope, model=dict(), val_dataloader=dict(dataset=dict(pipeline=steps))))
    assert delivered_hw(cfg) == hw


def test_a_segmentor_s_images_have_the_size_that_they_are_padded_to():
    cfg = Config(dict(default_scope='mmseg', model=dict(data_preprocessor=dict(size=(48, 64)))))
    assert delivered_hw(cfg, training=True) == (48, 64) and delivered_hw(cfg) is None
