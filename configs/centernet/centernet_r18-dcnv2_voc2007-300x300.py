# CenterNet with ResNet-18 and deformable convolutions on PASCAL VOC, images of 300 x 300. Optimiser and schedule are those
# of the CenterNet paper for VOC (Zhou et al., 2019); the data are augmented as for SSD.
_base_ = [
    '../_base_/models/centernet.py',
    '../_base_/datasets/voc0712_det_ssd.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        type='ResNet',
        depth=18,
        norm_eval=False,
        norm_cfg=dict(type='BN'),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'),
    ),
    neck=dict(in_channels=512, num_deconv_filters=(256, 128, 64), use_dcn=True),
)

test_pipeline = _base_.centernet_test_pipeline
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1.25e-4),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 70
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[45, 60], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
