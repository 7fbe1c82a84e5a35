# A finished model, trained at full resolution (camvid_full.py, given with --start), fine-tuned on 108 x 144 together with
# what downsizes in front of it.
_base_ = '../../configs/deeplabv3plus/deeplabv3plus_efficientnet-lite0_camvid-360x480-to-108x144.py'

model = dict(
    backbone=dict(out_indices=(1, 4), output_stride=16, norm_eval=True),
    decode_head=dict(
        in_channels=320,
        loss_decode=[dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True)],
    ),
)
# Colours as they are: those of the test.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

max_epochs = 12
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True)]
default_hooks = dict(logger=dict(interval=20))
