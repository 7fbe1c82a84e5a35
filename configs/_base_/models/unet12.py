# PyTorch's own initialisation instead of mmseg's: its smaller weights need most of a short schedule to grow.
conv_init = dict(
    type='Kaiming', layer='Conv2d', a=5**0.5, mode='fan_in', nonlinearity='leaky_relu', distribution='uniform'
)

# A U-Net of 12 base channels and two classes, trained from scratch: as small as models at a camera are.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        keep_labels=True,  # the loss is at full resolution: a crack of two pixels is hardly in a small label map
    ),
    backbone=dict(
        type='UNet',
        base_channels=12,
        num_stages=3,
        strides=(1, 1, 1),
        enc_num_convs=(2, 2, 2),
        dec_num_convs=(2, 2),
        downsamples=(True, True),
        enc_dilations=(1, 1, 1),
        dec_dilations=(1, 1),
        init_cfg=[conv_init, dict(type='Constant', layer='_BatchNorm', val=1)],
    ),
    decode_head=dict(
        type='FCNHead',
        init_cfg=dict(conv_init, override=dict(name='conv_seg')),
        in_channels=12,
        in_index=2,
        channels=12,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
            # mmseg's form is over all classes together; class 0 is left out, so that it is the crack's.
            dict(type='DiceLoss', loss_name='loss_dice', use_sigmoid=False, ignore_index=0),
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
