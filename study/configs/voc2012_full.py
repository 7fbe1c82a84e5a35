# A model as its user has it: trained on PASCAL VOC 2012 segmentation at full resolution (300 x 300, in crops), without a
# downsizer. The study then runs it at reduced resolution, with voc2012_frozen_160.py and voc2012_frozen_100.py.
_base_ = '../../configs/deeplabv3plus/deeplabv3plus_efficientnet-lite0_voc2012-300x300-to-100x100.py'

crop_size = (160, 160)
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='SegDataPreProcessor',
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
        size=crop_size,
        pad_val=0,
        seg_pad_val=255,
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.85),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
# 1050 images are few: small batches give more steps.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

max_epochs = 12
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True)]
default_hooks = dict(logger=dict(interval=20))
