# Fits a downsizer to photographs, without labels: the features that a frozen EfficientNet-Lite0 has at 100 x 100 are to be
# those that it has at 300 x 300. tools/extract_downsizer.py takes the downsizer out; pretrained= names it in another config.
_base_ = ['../_base_/datasets/voc2012_seg.py', '../_base_/runtimes/mmseg.py']

model = dict(
    type='mmdownsize.FeatureMatching',
    data_preprocessor=dict(
        type='mmdownsize.PairDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
        scale=(100, 100),
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(0, 1, 2, 3)),
)

# Photographs only: no annotations are read.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(_delete_=True, type='mmdownsize.FeatureError')
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.0), clip_grad=dict(max_norm=5.0)
)
max_epochs = 2
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
