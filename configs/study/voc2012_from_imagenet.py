# The study's model on PASCAL VOC 2012 segmentation, 300 x 300 -> 100 x 100, trained from ImageNet weights. Its results
# are also what voc2012_from_checkpoint.py starts from. Validated is the mean of the weights of the last steps: it
# scatters less.
_base_ = '../deeplabv3plus/deeplabv3plus_efficientnet-lite0_voc2012-300x300-to-100x100.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.3)}))
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True)]
default_hooks = dict(logger=dict(interval=20))
