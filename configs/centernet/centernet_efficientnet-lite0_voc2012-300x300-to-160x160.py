# CenterNet on PASCAL VOC 2012: images of 300 x 300 are downsized to 160 x 160 in front of the model.
_base_ = ['../_base_/datasets/voc2012_det.py', '../_base_/runtimes/mmdet.py']

model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(160, 160),
        keep_ratio=False,
        # What EfficientNet-Lite0's weights expect: 0.498 and 0.502 of 255, RGB.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(4,), frozen_stages=2, norm_eval=True),
    neck=dict(
        type='CTResNetNeck',
        in_channels=320,
        num_deconv_filters=(128, 64, 64),
        num_deconv_kernels=(4, 4, 4),
        use_dcn=False,
    ),
    bbox_head=dict(
        type='CenterNetHead',
        num_classes=20,
        in_channels=64,
        feat_channels=64,
        loss_center_heatmap=dict(type='GaussianFocalLoss', loss_weight=1.0),
        loss_wh=dict(type='L1Loss', loss_weight=0.1),
        loss_offset=dict(type='L1Loss', loss_weight=1.0),
    ),
    train_cfg=None,
    test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100),
)

# CenterNet's head subtracts the padding that RandomCenterCropPad has put around a test image and asks for it even where
# there is none: a padding to a multiple of 1 px records that.
test_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),  # asked for by RandomCenterCropPad
    dict(type='Resize', scale=(300, 300), keep_ratio=False),
    dict(
        type='RandomCenterCropPad',
        test_mode=True,
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_pad_mode=['size_divisor', 1],
    ),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border'),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-3, weight_decay=0.01),
    # 1050 images do not pay for relearning what ImageNet taught the backbone. The downsizer starts where the fixed kernel
    # is, and goes on at a quarter of the rate of what starts from nothing.
    paramwise_cfg=dict(
        norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1), data_preprocessor=dict(lr_mult=0.25))
    ),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 18
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=131),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
