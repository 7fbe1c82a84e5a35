# A finished detector, trained at full resolution (voc2012_det_full.py, given with --start), run on 160 x 160: nothing is
# trained but the downsizer, with the detector's own loss, and fixed resizers are only tested.
_base_ = './voc2012_det_full.py'

model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(160, 160),
        keep_ratio=False,
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    )
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.0),
    clip_grad=dict(max_norm=1.0),
)
max_epochs = 2
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [
    dict(type='mmdownsize.TrainOnlyHook', parts=['data_preprocessor']),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
]
# Average precision at an IoU of 0.5, and over IoUs of 0.5 to 0.95, which asks where exactly a box is.
val_evaluator = [
    dict(type='VOCMetric', metric='mAP', eval_mode='area'),
    dict(
        type='VOCMetric',
        metric='mAP',
        eval_mode='area',
        iou_thrs=[0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
        prefix='pascal_voc_50_95',
    ),
]
test_evaluator = val_evaluator
