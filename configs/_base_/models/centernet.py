# CenterNet (Zhou et al., 2019) for the 20 classes of PASCAL VOC, without its backbone.
model = dict(
    type='CenterNet',
    data_preprocessor=dict(bgr_to_rgb=True, pad_size_divisor=32),
    neck=dict(type='CTResNetNeck', num_deconv_kernels=(4, 4, 4)),
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

# For images of 300 x 300. CenterNet's head subtracts the padding that RandomCenterCropPad put around a test image. The head
# needs this padding in the metainfo even if there is none: padding to a multiple of 1 px records it.
centernet_test_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),  # RandomCenterCropPad needs floating point
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
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')),
]
