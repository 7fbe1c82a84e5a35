# The recipe of a fit: a downsizer is trained before a finished model, which stays frozen.
# `python tools/swap_resizer.py CONFIG --fit CHECKPOINT` writes it into a config. By hand:
# optim_wrapper = dict(_delete_=True, **_base_.fit.optim_wrapper), and train_cfg in the same way;
# param_scheduler = _base_.fit.param_scheduler, and custom_hooks in the same way.
_base_ = '../downsize/downsizenet_6x6_signed.py'

# Steps with batches of 8 images: without labels, and with the model's own loss.
fit_steps = 650
fit_steps_with_labels = 260
fit = dict(
    optim_wrapper=dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.0),
        clip_grad=dict(max_norm=1.0),
        # Some models share layers. Those are frozen, so it does not matter that mmengine takes them once only.
        paramwise_cfg=dict(custom_keys=_base_.downsizer_rates, bypass_duplicate=True),
    ),
    param_scheduler=[
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
        dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=False, begin=0, end=fit_steps),
    ],
    train_cfg=dict(type='IterBasedTrainLoop', max_iters=fit_steps, val_interval=fit_steps),
    custom_hooks=[
        dict(type='mmdownsize.TrainOnlyHook', parts=['data_preprocessor']),
        dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
    ],
)
# A segmentor learns from its own predictions at full resolution; every class counts the same.
# Every 10 steps the loss that bilinear and area have is logged beside its own.
fit_without_labels = dict(
    type='mmdownsize.SelfDistilledEncoderDecoder', class_balance=1.0, beside=('bilinear', 'area'), beside_interval=10
)
# Each image is whole, has the size that is tested, and comes in five positions: pixels (down, right).
fit_positions = [(0, 0), (5, 9), (-9, 4), (-4, -8), (8, -6)]
