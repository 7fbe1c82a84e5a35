# Image quality after Talebi & Milanfar, NIMA (2018) and the learned resizer (2021): an EfficientNet-B0, pretrained on ImageNet,
# predicts the distribution of ratings. Crops of 448 x 448 are downsized to 224 x 224 before it. Head, loss and metrics are
# NIMA's; sizes and schedule are ours.
_base_ = [
    'mmpretrain::_base_/models/efficientnet_b0.py',
    '../_base_/datasets/ava_448_quality.py',
    'mmpretrain::_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.ClsDownsizePreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        downsizer=dict(type='DownsizeNet'),
        scale=(224, 224),
    ),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/efficientnet/'
            'efficientnet-b0_3rdparty_8xb32_in1k_20220119-a7e2a0b1.pth',
            prefix='backbone',
        )
    ),
    head=dict(
        _delete_=True,
        type='mmdownsize.QualityHead',
        in_channels=1280,
        num_bins=10,
        dropout=0.75,
        loss=dict(type='mmdownsize.EarthMoversLoss', r=2),
    ),
)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'data_preprocessor': dict(lr_mult=10.0), 'head': dict(lr_mult=10.0)}),
)
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True, T_max=20)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(save_best='quality/srcc', rule='greater', max_keep_ckpts=1))
randomness = dict(seed=0)
