# Light-Head R-CNN on 1050 images of PASCAL VOC 2012, for a machine without a GPU: EfficientNet-Lite0 instead of VGG16, 64
# channels inside the thin map's convolution (the paper's setting S), fewer proposals, a short schedule.
_base_ = [
    '../_base_/models/light-head-rcnn_vgg16.py',
    '../_base_/datasets/voc2012_det.py',
    '../_base_/schedules/voc2012_det.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale_factor=0.55,
        # EfficientNet-Lite0's weights expect RGB images with this mean and deviation: 0.498 and 0.502 of 255.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    backbone=dict(_delete_=True, type='mmdownsize.EfficientNetLite', out_indices=(3,), frozen_stages=1, norm_eval=True),
    rpn_head=dict(in_channels=112, feat_channels=128, anchor_generator=dict(scales=[0.5, 1, 2, 4, 8])),
    roi_head=dict(thin=dict(in_channels=112, mid_channels=64)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=2000, max_per_img=500), rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=300)),
)

resize = dict(type='Resize', scale=(500, 300), keep_ratio=True)
train_pipeline = [resize if step.type == 'Resize' else step for step in _base_.train_pipeline]
test_pipeline = [resize if step.type == 'Resize' else step for step in _base_.test_pipeline]
train_dataloader = dict(batch_sampler=dict(type='AspectRatioBatchSampler'), dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_epochs = 12
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=max_epochs)]
train_cfg = dict(max_epochs=max_epochs)
