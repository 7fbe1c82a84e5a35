# CamVid, model and resizer trained together from ImageNet weights: images of 360 x 480 (h x w) become 72 x 96, a fifth.
_base_ = [
    '../../configs/_base_/runtimes/mmseg_iters.py',
    '../../configs/_base_/models/efficientnet-lite0-d8_camvid.py',
    '../../configs/_base_/datasets/camvid.py',
    '../../configs/_base_/schedules/inspection.py',
    '../../configs/_base_/downsize/downsizenet_6x6_signed.py',
]

crop_size = (240, 320)
model = dict(
    data_preprocessor=dict(
        downsizer=dict(_delete_=True, **_base_.downsizer), scale_factor=0.2, size=crop_size, keep_labels=True
    ),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        dilations=(1, 2, 4),  # the usual 6, 12 and 18 would mostly see the padding around 9 x 12 pixels
        c1_in_channels=24,
        c1_channels=32,
        # Lovasz's loss would take longer than the model: the labels have the size of the image file.
        loss_decode=[dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True)],
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4, sampler=dict(type='InfiniteSampler', shuffle=True), dataset=dict(pipeline=train_pipeline)
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3), **_base_.downsizer_rates)))
