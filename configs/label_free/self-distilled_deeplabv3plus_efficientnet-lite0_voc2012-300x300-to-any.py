# A downsizer fitted without labels, at factors of 0.2 to 0.6: a finished segmentor is to predict on small images what it
# predicts on 300 x 300. Give the finished segmentor with --cfg-options load_from=...; only the downsizer is trained. Take it
# out with tools/extract_downsizer.py and name the file with pretrained= in any other config.
_base_ = [
    '../deeplabv3plus/deeplabv3plus_efficientnet-lite0_voc2012-300x300-to-100x100.py',
    '../_base_/downsize/downsizenet_6x6_signed.py',
]

model = dict(
    type='mmdownsize.SelfDistilledEncoderDecoder',
    memory_mb=300,
    data_preprocessor=dict(
        type='mmdownsize.SegPairDownsizePreprocessor',
        downsizer=dict(_delete_=True, **_base_.downsizer),
        train_scale_factor=(0.2, 0.6),
    ),
)
# Images as they are, the same every time: what the model says of them at full resolution is kept in memory.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=0.0),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys=_base_.downsizer_rates),
)
max_epochs = 10  # of 132 steps
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [
    dict(type='mmdownsize.TrainOnlyHook', parts=['data_preprocessor']),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
]
default_hooks = dict(logger=dict(interval=20))
# mIoU, and how probable the labels are, which the highest class alone does not show.
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='mmdownsize.LogLikelihood')]
test_evaluator = val_evaluator
