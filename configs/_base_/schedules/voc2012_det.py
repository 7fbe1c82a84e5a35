# A short schedule for the 1050 images of voc2012_det.py in batches of 8: 18 epochs of 131 steps.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    # 1050 images are too few to train the backbone anew, so it keeps most of what it learned on ImageNet. The downsizer starts
    # as a fixed kernel and learns at a quarter of the rate of the layers that start at random.
    paramwise_cfg=dict(
        norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1), data_preprocessor=dict(lr_mult=0.25))
    ),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 18
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=131),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
