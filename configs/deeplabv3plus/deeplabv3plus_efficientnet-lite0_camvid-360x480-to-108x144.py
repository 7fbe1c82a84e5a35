# DeepLabv3+ on CamVid: images of 360 x 480 (h x w) are downsized to 108 x 144 in front of the model.
_base_ = ['../_base_/datasets/camvid.py', '../_base_/runtimes/mmseg.py']

norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale_factor=0.3,
        # What EfficientNet-Lite0's weights expect: 0.498 and 0.502 of 255, RGB.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
        size=(360, 480),
        pad_val=0,
        seg_pad_val=255,
    ),
    # Stride 16, DeepLabv3+'s own choice, leaves 7 x 9 pixels of a 108 x 144 image; the natural stride of 32 would leave
    # 4 x 5, one for a whole car, and save a fifth of the time.
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(1, 4), output_stride=16),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_channels=320,
        in_index=1,
        channels=128,
        dilations=(1, 2, 4),  # on 7 x 9 pixels the usual 6, 12 and 18 would see padding only
        c1_in_channels=24,
        c1_channels=32,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
max_epochs = 15
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=46),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
