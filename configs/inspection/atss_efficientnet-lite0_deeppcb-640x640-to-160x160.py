# Defects of circuit boards at a quarter of the image's size: a detector, trained together with the resizer. docs/inspection.md
_base_ = [
    '../_base_/runtimes/mmdet_iters.py',
    '../_base_/datasets/deeppcb.py',
    '../_base_/models/atss_efficientnet-lite0.py',
    '../_base_/schedules/inspection.py',
    '../_base_/downsize/downsizenet_6x6_signed.py',
]
model = dict(data_preprocessor=dict(downsizer=_base_.downsizer, scale_factor=0.25), bbox_head=dict(num_classes=6))
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.3),
            **_base_.downsizer_rates,
        }
    ),
    clip_grad=dict(max_norm=10.0),
)
