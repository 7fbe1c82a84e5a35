# Light-Head R-CNN on a subset of PASCAL VOC 2012, small enough for a few cores: EfficientNet-Lite0 in the place of VGG16,
# 64 channels inside the thin map's convolution (the paper's setting S), fewer proposals, a short schedule.
_base_ = [
    '../_base_/models/light-head-rcnn_vgg16.py',
    '../_base_/datasets/voc2012_det.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale_factor=0.55,
        # What EfficientNet-Lite0's weights expect: 0.498 and 0.502 of 255, RGB.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    backbone=dict(_delete_=True, type='mmdownsize.EfficientNetLite', out_indices=(3,), frozen_stages=1, norm_eval=True),
    rpn_head=dict(in_channels=112, feat_channels=128, anchor_generator=dict(scales=[0.5, 1, 2, 4, 8])),
    roi_head=dict(thin=dict(in_channels=112, mid_channels=64)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=2000, max_per_img=500), rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=300)),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(500, 300), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(500, 300), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),  # after Resize: boxes are compared in the image file's coordinates
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(batch_sampler=dict(type='AspectRatioBatchSampler'), dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1), data_preprocessor=dict(lr_mult=0.25))
    ),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 12
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=131),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
