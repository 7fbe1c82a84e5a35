# Magnetic tiles (Huang et al. 2018), grey images of 100 to 640 px of many shapes, three kinds of defects that cover 0.2 to 2 % of
# an image: 154 images for training, 51 for validation.
# A relative folder starts at the one that the training is started in. The environment variable MMDOWNSIZE_DATA names another.
data_root = '{{$MMDOWNSIZE_DATA:../shared/data}}/magnetic_tile'
metainfo = dict(
    classes=('background', 'blowhole', 'crack', 'break'),
    palette=[[70, 70, 70], [80, 160, 255], [255, 80, 60], [255, 200, 60]],
)
# Not a multiple of 4: at a quarter, output pixels lie differently among their source pixels, as in images of any size.
crop_size = (254, 254)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.9999),  # prefers crops that show a defect
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    # Some tiles are narrower than a crop. The label 255 is void.
    dict(type='Pad', size=crop_size, pad_val=dict(img=(127, 127, 127), seg=255)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=4,
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
    batch_size=1,  # images of many shapes
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
