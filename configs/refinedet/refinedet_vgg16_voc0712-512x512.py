# RefineDet512 as published, without a downsizer.
_base_ = './refinedet_vgg16_voc0712-320x320.py'

resize = dict(type='Resize', scale=(512, 512), keep_ratio=False)
train_pipeline = [resize if step.type == 'Resize' else step for step in _base_.train_pipeline]
test_pipeline = [resize if step.type == 'Resize' else step for step in _base_.test_pipeline]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(dataset, pipeline=train_pipeline) for dataset in _base_.train_dataloader.dataset.datasets]
    )
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
