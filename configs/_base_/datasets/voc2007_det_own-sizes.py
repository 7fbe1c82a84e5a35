# PASCAL VOC 2007 boxes, images at their own sizes: 5011 of trainval for training, 4952 of test. A config of a model gives its
# own pipelines.
_base_ = './voc2007_det.py'

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'Resize']
test_pipeline = [step for step in _base_.test_pipeline if step.type != 'Resize']
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=1, num_workers=2, drop_last=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
