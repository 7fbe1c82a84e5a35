# Road cracks at a quarter of the image's size: a small U-Net, trained together with the resizer. docs/inspection.md
_base_ = [
    '../_base_/runtimes/mmseg_iters.py',
    '../_base_/datasets/crackforest.py',
    '../_base_/models/unet12.py',
    '../_base_/schedules/inspection.py',
    '../_base_/downsize/downsizenet_6x6_signed.py',
]
model = dict(
    data_preprocessor=dict(downsizer=_base_.downsizer, scale_factor=0.25, size=(160, 160)),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.downsizer_rates))
