# A finished model, trained at full resolution (voc2012_full.py, given with --start), fine-tuned on 100 x 100 together
# with the downsizer before it.
_base_ = '../../configs/deeplabv3plus/deeplabv3plus_efficientnet-lite0_voc2012-300x300-to-100x100.py'

train_dataloader = dict(batch_size=4)

max_epochs = 6
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True)]
default_hooks = dict(logger=dict(interval=20))
