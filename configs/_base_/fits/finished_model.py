# The study's recipe: a downsizer is fitted to a finished model, nothing of which is trained. `python tools/swap_resizer.py
# CONFIG --fit CHECKPOINT` writes it into a config; by hand: optim_wrapper = dict(_delete_=True, **_base_.fit.optim_wrapper),
# train_cfg likewise, param_scheduler = _base_.fit.param_scheduler, custom_hooks likewise.
_base_ = '../downsize/downsizenet_6x6_signed.py'

# Of batches of 8 images; without labels, or with the model's own loss.
fit_steps = 650
fit_steps_with_labels = 260
fit = dict(
    optim_wrapper=dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.0),
        clip_grad=dict(max_norm=1.0),
        paramwise_cfg=dict(custom_keys=_base_.downsizer_rates),
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
# A segmentor learns from itself, every class counting alike.
fit_without_labels = dict(type='mmdownsize.SelfDistilledEncoderDecoder', class_balance=1.0)
# Each image, whole and of the size that is tested, is seen in five positions (pixels down and right).
fit_positions = [(0, 0), (5, 9), (-9, 4), (-4, -8), (8, -6)]
