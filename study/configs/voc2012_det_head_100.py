# A finished detector (voc2012_det_full.py, given with --start) that is moved to 100 x 100: its neck and its head are trained on
# behind a resizer that stays as it is; the backbone, its norms too, stays as well.
_base_ = './voc2012_det_frozen_100.py'

custom_hooks = [
    dict(type='mmdownsize.TrainOnlyHook', parts=['neck', 'bbox_head']),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
]
