# A segmentor on EfficientNet-Lite0 with DownsizeNet before it. A config adds the sizes, the classes and the head.
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        # EfficientNet-Lite0's weights expect RGB images with this mean and deviation: 0.498 and 0.502 of 255.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type='mmdownsize.EfficientNetLite'),
    decode_head=dict(in_index=1, channels=128, dropout_ratio=0.1, norm_cfg=norm_cfg, align_corners=False),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
