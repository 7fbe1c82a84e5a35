# A model that was trained at full resolution (cracks_full.py, given with --start) runs on a quarter of it, and stays as it is:
# only the downsizer is trained.
_base_ = [
    '../../configs/_base_/runtimes/mmseg_iters.py',
    '../../configs/_base_/datasets/crackforest.py',
    '../../configs/_base_/models/unet12.py',
    '../../configs/_base_/fits/finished_model.py',
]
model = dict(data_preprocessor=dict(downsizer=_base_.downsizer, scale_factor=0.25, size=(160, 160)))
max_iters = _base_.fit_steps_with_labels
optim_wrapper = _base_.fit.optim_wrapper
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=False, begin=0, end=max_iters),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = _base_.fit.custom_hooks
