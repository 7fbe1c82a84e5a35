# A finished segmentor (voc2012_full.py, given with --start) that is moved to 100 x 100: its head is trained on behind a resizer
# that stays as it is; the backbone stays as well.
_base_ = './voc2012_frozen_100.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
max_epochs = 2
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [
    dict(type='mmdownsize.TrainOnlyHook', parts=['decode_head']),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
]
