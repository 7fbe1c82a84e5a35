# Light-Head R-CNN on PASCAL VOC 2007: images with a short side of 300 px are downsized to 165 in front of the model.
_base_ = [
    '../_base_/models/light-head-rcnn_vgg16.py',
    '../_base_/datasets/voc2007_det_own-sizes.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=0.55
    ),
    # 8 to 128 px: about the part of a 165 px image that the paper's 32 to 512 px are of one of 800.
    rpn_head=dict(anchor_generator=dict(scales=[0.5, 1, 2, 4, 8])),
)

# The short side becomes 300 px; the long one, at most 500, is the limit for panoramas only.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(500, 300), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(500, 300), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),  # after Resize: boxes are compared in the image file's coordinates
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# Momentum and weight decay are the paper's, and the rate falls to a tenth after three quarters as there. The rate is that
# of Faster R-CNN with VGG16, 1e-3 for 2 images, in proportion: without batch norms VGG16 does not bear the paper's.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=4e-3, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 24
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[18], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
