# FCN on a subset of PASCAL VOC 2012, small enough for a few cores: EfficientNet-Lite0 in the place of VGG16, a narrow head, a
# short schedule. Images of any size are downsized to 100 x 100.
_base_ = [
    '../_base_/models/fcn_vgg16-d8.py',
    '../_base_/datasets/voc2012_seg.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(100, 100),
        size=(500, 500),  # before downsizing
        # What EfficientNet-Lite0's weights expect: 0.498 and 0.502 of 255, RGB.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    # The stage of stride 16, dilated to stride 8, gives 13 x 13 pixels.
    backbone=dict(_delete_=True, type='mmdownsize.EfficientNetLite', out_indices=(2, 3), output_stride=8),
    decode_head=dict(in_channels=112, channels=128),
    auxiliary_head=dict(in_channels=40, channels=64),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
max_epochs = 10
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
