# SPNet's head on CamVid, for a machine without a GPU: 360 x 480 (h x w) downsized to 108 x 144, the paper setting's ratio.
# EfficientNet-Lite0 stands for ResNet-50, which has no weights in a package; without strip pooling in its blocks.
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
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(1, 3), output_stride=8),
    decode_head=dict(
        type='mmdownsize.SPHead',
        in_channels=112,
        in_index=1,
        mpm_channels=128,
        pool_sizes=(10, 6),  # of 14 x 18 pixels, as the paper's (20, 12) are of 29 x 29
        channels=128,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        # Cross entropy alone leaves rare classes unpredicted in a schedule this short.
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
            dict(type='LovaszLoss', loss_name='loss_lovasz', reduction='none'),
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
max_epochs = 10
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=46),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
