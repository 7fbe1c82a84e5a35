# The data set that tools/demo.py makes: three classes that differ only in fine texture. Images of 192 x 192 are downsized to
# 64 x 64 before the same small U-Net. The other files of this folder only name the resizer.
_base_ = ['../_base_/runtimes/mmseg.py']

# A relative folder starts at the one that the training is started in. MMDOWNSIZE_DEMO_DATA in the environment names another.
data_root = '{{$MMDOWNSIZE_DEMO_DATA:work_dirs/demo/data}}'
metainfo = dict(
    classes=('grain', 'vertical', 'horizontal'),
    palette=[[90, 90, 90], [230, 85, 60], [70, 160, 230]],
)

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        scale_factor=1 / 3,
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
        size=(192, 192),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='UNet',
        base_channels=16,
        num_stages=3,
        strides=(1, 1, 1),
        enc_num_convs=(2, 2, 2),
        dec_num_convs=(2, 2),
        downsamples=(True, True),
        enc_dilations=(1, 1, 1),
        dec_dilations=(1, 1),
        # PyTorch's own initialisation instead of UNet's: its smaller weights learn this task in half the time.
        init_cfg=[
            dict(
                type='Kaiming',
                layer='Conv2d',
                a=5**0.5,
                mode='fan_in',
                nonlinearity='leaky_relu',
                distribution='uniform',
            ),
            dict(type='Constant', layer='_BatchNorm', val=1),
        ],
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=16,
        in_index=2,
        channels=16,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        img_suffix='.png',
        metainfo=metainfo,
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/test', seg_map_path='labels/test'),
        img_suffix='.png',
        metainfo=metainfo,
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

max_iters = 900
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01),
    # DownsizeNet starts as a kernel that removes the texture, with its last weights at 0. At the model's rate it would need most
    # of this short schedule to change that. The fixed resizers have no parameters.
    paramwise_cfg=dict(custom_keys={'data_preprocessor': dict(lr_mult=5.0)}, bypass_duplicate=True),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=0, by_epoch=False, begin=0, end=max_iters),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10**9, save_last=True),
)
log_processor = dict(type='LogProcessor', window_size=10, by_epoch=False)
