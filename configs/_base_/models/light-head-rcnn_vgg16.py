# Light-Head R-CNN (Li et al., 2017), setting L, with VGG16 instead of ResNet-101, for 20 classes.
#
# From sections 3 and 4 of the paper:
# - an RPN with 3 ratios and 5 scales;
# - a large separable convolution, k = 15, 256 channels, to a thin map of 10 * 7 * 7 = 490 channels;
# - position-sensitive RoI align, 7 x 7;
# - one fully connected layer of 2048 channels, then the classes and one box for all classes; the loss of the box counts twice;
# - 2000 RoIs an image in training and 1000 in testing; OHEM keeps 256 an image.
# What differs from the paper:
# - The RPN reads conv5_3, of stride 16, as in Faster R-CNN with VGG16. The paper's RPN reads ResNet's fourth stage, of stride
#   16, and its thin map comes from the fifth, dilated to stride 16. VGG16's fourth stage has stride 8.
# - mmdet's OHEM compares class losses, keeps the hardest objects (at most a quarter) and the hardest background. The paper's
#   OHEM sorts all by their whole loss, over all images of a GPU.
# What differs from the authors' published code, which has in parentheses:
# - a bin of the RoI align is the mean of its samples (the largest);
# - one box for all classes, as the paper says (one a class);
# - the RPN trains on all anchors (on those inside the image);
# - the thin map's convolutions learn at the common rate (at three times that rate);
# - detections with a score below 0.05 are dropped (all are kept);
# - test images are at most 1200 px long (1333).
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        # VGG16's weights expect RGB images minus this mean.
        mean=[123.675, 116.28, 103.53],
        std=[1, 1, 1],
        bgr_to_rgb=True,
        pad_size_divisor=16,
    ),
    backbone=dict(
        type='mmdownsize.VGG',
        depth=16,
        out_indices=(4,),
        frozen_stages=1,  # conv1 and conv2, as in Fast and Faster R-CNN
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
    rpn_head=dict(
        type='RPNHead',
        in_channels=512,
        feat_channels=512,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[2, 4, 8, 16, 32],  # 32 to 512 px
            ratios=[0.5, 1.0, 2.0],
            strides=[16],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0),
    ),
    roi_head=dict(
        type='mmdownsize.LightRoIHead',
        thin=dict(
            type='mmdownsize.LargeSeparableConv', in_channels=512, mid_channels=256, out_channels=490, kernel_size=15
        ),
        bbox_roi_extractor=dict(
            type='mmdownsize.PSRoIAlignExtractor', in_channels=490, output_size=7, featmap_stride=16
        ),
        bbox_head=dict(
            type='ConvFCBBoxHead',
            num_shared_fcs=1,
            fc_out_channels=2048,
            in_channels=10,
            roi_feat_size=7,
            num_classes=20,
            reg_class_agnostic=True,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]
            ),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=2.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type='RandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(nms_pre=12000, max_per_img=2000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type='OHEMSampler', num=256, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    ),
)
