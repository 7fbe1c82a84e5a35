# RefineDet on VGG16 for the 20 classes of PASCAL VOC (Zhang et al., CVPR 2018).
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[1, 1, 1],
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type='mmdownsize.RefineDetVGG16',
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
    neck=dict(
        type='mmdownsize.RefineDetNeck',
        in_channels=(512, 512, 1024),  # conv4_3, conv5_3, fc7
        extra_channels=(512,),  # conv6_2
        l2_norm_scales=(10, 8, None),
        out_channels=256,
    ),
    bbox_head=dict(
        type='mmdownsize.RefineDetHead',
        num_classes=20,
        in_channels=(512, 512, 1024, 512),
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator', strides=[8, 16, 32, 64], scales=[4.0], ratios=[0.5, 1.0, 2.0], center_offset=0.5
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]),
        negative_threshold=0.99,
        neg_pos_ratio=3.0,
    ),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.5,
            neg_iou_thr=0.5,
            min_pos_iou=1e-6,  # the best anchor of an object is positive if they overlap at all
            gt_max_assign_all=False,
        )
    ),
    test_cfg=dict(nms_pre=400, score_thr=0.01, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200),
)
