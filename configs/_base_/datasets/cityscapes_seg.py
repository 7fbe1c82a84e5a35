# Cityscapes, 1024 x 2048 (h x w), 19 classes: crops of 768 x 768 to train on, whole images to test, in mmseg's layout
# (data/cityscapes/leftImg8bit, data/cityscapes/gtFine) and with its augmentation.
_base_ = 'mmseg::_base_/datasets/cityscapes.py'

crop_size = (768, 768)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
