# RefineDet320 as published, without a downsizer: VOC 2007 and 2012, SSD's augmentation, 120,000 steps of 32 images.
_base_ = [
    '../_base_/models/refinedet_vgg16.py',
    '../_base_/datasets/voc0712_det_ssd.py',
    '../_base_/runtimes/mmdet.py',
]

resize = dict(type='Resize', scale=(320, 320), keep_ratio=False)
train_pipeline = [resize if step.type == 'Resize' else step for step in _base_.train_pipeline]
test_pipeline = [resize if step.type == 'Resize' else step for step in _base_.test_pipeline]
train_dataloader = dict(
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        datasets=[dict(dataset, pipeline=train_pipeline) for dataset in _base_.train_dataloader.dataset.datasets]
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),  # as the authors' network for Caffe has it
)
param_scheduler = [dict(type='MultiStepLR', by_epoch=False, milestones=[80000, 100000], gamma=0.1)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10000))
log_processor = dict(by_epoch=False)
