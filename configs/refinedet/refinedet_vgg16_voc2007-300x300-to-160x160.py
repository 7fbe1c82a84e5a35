# RefineDet on PASCAL VOC 2007: images of 300 x 300 are downsized to 160 x 160 before the model. Its feature maps have 20, 10, 5
# and 3 pixels a side.
_base_ = './refinedet_vgg16_voc0712-320x320.py'

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(160, 160),
        keep_ratio=False,
    )
)

resize = dict(type='Resize', scale=(300, 300), keep_ratio=False)
train_pipeline = [resize if step.type == 'Resize' else step for step in _base_.train_pipeline]
test_pipeline = [resize if step.type == 'Resize' else step for step in _base_.test_pipeline]
voc2007 = _base_.train_dataloader.dataset.datasets[0]
train_dataloader = dict(dataset=dict(voc2007, _delete_=True, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
