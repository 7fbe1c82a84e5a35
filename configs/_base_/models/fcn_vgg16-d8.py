# FCN (Long et al., 2015) on VGG16, built as mmseg builds it on ResNets. The last stage is dilated to stride 8; the paper has
# skips from pool3 and pool4 instead. mmseg's FCNHead, two 3 x 3 convolutions, replaces VGG16's fully connected layers.
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # VGG16's weights expect RGB images minus this mean.
        mean=[123.675, 116.28, 103.53],
        std=[1, 1, 1],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='mmdownsize.VGG',
        depth=16,
        out_indices=(3, 4),
        strides=(1, 2, 2, 2, 1),
        dilations=(1, 1, 1, 1, 2),
        ceil_mode=True,  # 100 px become 13, not 12: the last rows and columns are used too
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe'),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=512,
        in_index=1,
        channels=512,
        num_convs=2,
        concat_input=True,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=512,
        in_index=0,
        channels=256,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
