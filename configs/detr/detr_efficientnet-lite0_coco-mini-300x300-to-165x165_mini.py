# DETR for a machine without a GPU: EfficientNet-Lite0 at stride 16 on 40 images of COCO. It shows that DETR trains, not how
# well: DETR needs hundreds of epochs on all of COCO.
_base_ = './detr_r101_coco-300x300-to-165x165.py'

model = dict(
    data_preprocessor=dict(
        # EfficientNet-Lite0's weights expect RGB images with this mean and deviation: 0.498 and 0.502 of 255.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    # 11 x 11 pixels for the transformer.
    backbone=dict(
        _delete_=True,
        type='mmdownsize.EfficientNetLite',
        out_indices=(4,),
        output_stride=16,
        frozen_stages=2,
        norm_eval=True,
    ),
    neck=dict(in_channels=[320]),
)

data_root = '{{$MMDOWNSIZE_DATA:../shared/data}}/coco_mini/'
train_dataloader = dict(
    batch_size=4,
    dataset=dict(data_root=data_root, ann_file='annotations/instances_train.json', data_prefix=dict(img='images/')),
)
val_dataloader = dict(
    dataset=dict(data_root=data_root, ann_file='annotations/instances_val.json', data_prefix=dict(img='images/'))
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = val_evaluator

max_epochs = 30
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='MultiStepLR', begin=0, end=max_epochs, by_epoch=True, milestones=[24], gamma=0.1),
]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1))
