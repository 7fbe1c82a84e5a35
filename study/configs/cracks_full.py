# A model as its user has it: the cracks of configs/inspection, trained at full resolution (320 x 480), without a downsizer.
_base_ = '../../configs/inspection/unet_crackforest-320x480-to-80x120.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='SegDataPreProcessor',
        mean=_base_.model.data_preprocessor.mean,
        std=_base_.model.data_preprocessor.std,
        bgr_to_rgb=_base_.model.data_preprocessor.bgr_to_rgb,
        pad_val=_base_.model.data_preprocessor.pad_val,
        seg_pad_val=_base_.model.data_preprocessor.seg_pad_val,
        size=_base_.model.data_preprocessor.size,
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, norm_decay_mult=0.0))
