# The whole SPNet on CamVid at a quarter of its width, trained from scratch, for a machine without a GPU.
_base_ = './spnet_efficientnet-lite0_camvid-360x480-to-108x144_mini.py'

norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type='mmdownsize.SPResNetV1c',
        depth=50,
        stem_channels=16,
        base_channels=16,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        multi_grid=(4, 4, 4),  # maps of 14 x 18 pixels are too small for the 8 and 16 of the whole model
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(in_channels=512, in_index=3, mpm_channels=256),
    auxiliary_head=dict(
        type='FCNHead',
        in_channels=256,
        in_index=2,
        channels=64,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True, loss_weight=0.4),
    ),
)

# From scratch there is more to learn than in the 10 epochs of the pretrained model.
max_epochs = 60
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=max_epochs)]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
