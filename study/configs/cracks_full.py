# A model as its user has it: the cracks of configs/inspection, trained at full resolution (320 x 480), without a downsizer.
_base_ = '../../configs/inspection/unet_crackforest-320x480-to-80x120.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(160, 160),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0))
