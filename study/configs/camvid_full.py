# A model as its user has it: trained on CamVid at full resolution (360 x 480, in crops), without a downsizer. The study
# then runs it at reduced resolution, with camvid_frozen_192.py and camvid_frozen_108.py.
_base_ = '../../configs/deeplabv3plus/deeplabv3plus_efficientnet-lite0_camvid-360x480-to-108x144.py'

crop_size = (184, 240)
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
    # All of the backbone, unlike the mini config: a finished model should know its classes.
    backbone=dict(out_indices=(1, 4), output_stride=16, norm_eval=True),
    decode_head=dict(
        in_channels=320,
        loss_decode=[dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True)],  # the other is slow
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=16,
        contrast_range=(0.8, 1.2),
        saturation_range=(0.8, 1.2),
        hue_delta=6,
    ),
    dict(type='PackSegInputs'),
]
# 367 images are few: small batches give more steps.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

max_epochs = 15
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=92),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.01, update_buffers=True)]
default_hooks = dict(logger=dict(interval=20))
