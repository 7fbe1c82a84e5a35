# Defects of magnetic tiles at a quarter of the image's size, whatever its size. docs/inspection.md
_base_ = [
    '../_base_/runtimes/mmseg_iters.py',
    '../_base_/datasets/magnetic_tile.py',
    '../_base_/models/efficientnet-lite0_segmentor.py',
    '../_base_/schedules/inspection.py',
    '../_base_/downsize/downsizenet_6x6_signed.py',
]
model = dict(
    data_preprocessor=dict(
        downsizer=dict(_delete_=True, **_base_.downsizer),
        scale_factor=0.25,
        size=(254, 254),
        keep_labels=True,
        test_cfg=dict(size_divisor=16),  # the stride of the last stage
    ),
    # From stride 2, where a defect of a few source pixels is still there, to stride 16.
    backbone=dict(out_indices=(0, 1, 2, 3), norm_eval=True),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[16, 24, 40, 112],
        in_index=[0, 1, 2, 3],
        channels=32,
        dropout_ratio=0,
        num_classes=4,
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
            # For DiceLoss, ignore_index is the class that does not count: the background.
            dict(type='DiceLoss', loss_name='loss_dice', use_sigmoid=False, ignore_index=0, loss_weight=3.0),
        ],
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.6),
            'decode_head': dict(lr_mult=3.0),  # at the common rate it finds few defects in so few steps
            **_base_.downsizer_rates,
        }
    )
)
# After 500 steps it finds blowholes, but hardly any crack or break.
max_iters = 2000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=0, by_epoch=False, begin=0, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
