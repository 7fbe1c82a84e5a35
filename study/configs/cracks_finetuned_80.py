# A model that was trained at full resolution (cracks_full.py, given with --start) is trained on a quarter of it for a short
# while, together with the downsizer.
_base_ = '../../configs/inspection/unet_crackforest-320x480-to-80x120.py'
max_iters = 150
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=0, by_epoch=False, begin=0, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
