# The cracks of configs/inspection with four times the steps.
_base_ = '../../configs/inspection/unet_crackforest-320x480-to-80x120.py'
max_iters = 2000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=0, by_epoch=False, begin=0, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
