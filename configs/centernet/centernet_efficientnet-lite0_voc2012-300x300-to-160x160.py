# CenterNet on PASCAL VOC 2012: images of 300 x 300 are downsized to 160 x 160 before the model.
_base_ = [
    '../_base_/models/centernet.py',
    '../_base_/datasets/voc2012_det.py',
    '../_base_/schedules/voc2012_det.py',
    '../_base_/runtimes/mmdet.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(160, 160),
        keep_ratio=False,
        # EfficientNet-Lite0's weights expect RGB images with this mean and deviation: 0.498 and 0.502 of 255.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(4,), frozen_stages=2, norm_eval=True),
    neck=dict(in_channels=320, num_deconv_filters=(128, 64, 64), use_dcn=False),
)

test_pipeline = _base_.centernet_test_pipeline
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=4e-3))
