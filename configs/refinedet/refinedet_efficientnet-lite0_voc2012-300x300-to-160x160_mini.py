# RefineDet on the 1050 images of voc2012_det.py and on a small backbone that comes with its ImageNet weights: for two cores.
_base_ = [
    '../_base_/models/refinedet_vgg16.py',
    '../_base_/datasets/voc2012_det.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(160, 160),
        keep_ratio=False,
        # What EfficientNet-Lite0's weights expect: 0.498 and 0.502 of 255, RGB.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    backbone=dict(
        _delete_=True,
        type='mmdownsize.EfficientNetLite',
        out_indices=(2, 3, 4),
        frozen_stages=2,
        norm_eval=True,
    ),
    # Linear bottlenecks give features as large as VGG16's: all three are normalised.
    neck=dict(in_channels=(40, 112, 320), extra_channels=(128,), l2_norm_scales=(10, 8, 8), out_channels=64),
    bbox_head=dict(in_channels=(40, 112, 320, 128), feat_channels=64),
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
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
