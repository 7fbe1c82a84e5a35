# CrackForest (Shi et al. 2016), 320 x 480 (h x w): road cracks of a few pixels. 64 images for training, 24 for validation.
# A relative folder starts at the one that the training is started in. The environment variable MMDOWNSIZE_DATA names another.
data_root = '{{$MMDOWNSIZE_DATA:../shared/data}}/crackforest'
metainfo = dict(classes=('background', 'crack'), palette=[[70, 70, 70], [255, 80, 60]])

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(160, 160)),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        metainfo=metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        metainfo=metainfo,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# Predictions are resized to the size of the image file before they are compared.
val_evaluator = dict(type='mmdownsize.ClassIoU')
test_evaluator = val_evaluator
