# Cityscapes, 1024 x 2048 (h x w), 19 classes: crops of 768 x 768 for training, whole images for testing. Folders
# (data/cityscapes/leftImg8bit, data/cityscapes/gtFine) and augmentation are mmseg's.
_base_ = 'mmseg::_base_/datasets/cityscapes.py'

crop_size = (768, 768)
train_pipeline = [
    dict(step, crop_size=crop_size) if step.type == 'RandomCrop' else step for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
