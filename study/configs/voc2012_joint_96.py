# PASCAL VOC 2012, model and resizer trained together from ImageNet weights: images of 288 x 288 become 96 x 96, a third;
# in training, crops of 192 x 192 become 64 x 64.
_base_ = [
    '../../configs/_base_/runtimes/mmseg_iters.py',
    '../../configs/_base_/models/efficientnet-lite0_segmentor.py',
    '../../configs/_base_/datasets/voc2012_seg.py',
    '../../configs/_base_/schedules/inspection.py',
    '../../configs/_base_/downsize/downsizenet_6x6_signed.py',
]

crop_size = (192, 192)
model = dict(
    data_preprocessor=dict(
        downsizer=dict(_delete_=True, **_base_.downsizer), scale_factor=1 / 3, size=crop_size, keep_labels=True
    ),
    # The whole backbone, at stride 16: 6 x 6 pixels of a test image. 1050 images are too few for new statistics of its norms.
    backbone=dict(out_indices=(1, 4), output_stride=16, norm_eval=True),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_channels=320,
        dilations=(1, 2, 4),
        c1_in_channels=24,
        c1_channels=32,
        num_classes=21,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(288, 288), keep_ratio=False),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.85),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(288, 288), keep_ratio=False),
    dict(type='LoadAnnotations'),  # after Resize: masks are compared at the image file's size
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4, sampler=dict(type='InfiniteSampler', shuffle=True), dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3), **_base_.downsizer_rates)))
