# The head of a second segmentor.
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
