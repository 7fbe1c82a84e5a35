# The heads of a second segmentor and a second detector.
fcn_head = dict(
    type='FCNHead',
    in_channels=320,
    in_index=1,
    channels=128,
    num_convs=2,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=21,
    norm_cfg=dict(type='BN'),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
)
fcos_head = dict(
    type='FCOSHead',
    num_classes=20,
    in_channels=96,
    feat_channels=96,
    stacked_convs=2,
    strides=[8, 16, 32, 64],
    regress_ranges=((-1, 48), (48, 96), (96, 192), (192, 1e8)),
    norm_on_bbox=True,
    centerness_on_reg=True,
    center_sampling=True,
    loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
    loss_bbox=dict(type='GIoULoss', loss_weight=1.0),
    loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
)
