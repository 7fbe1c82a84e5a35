# RefineDet on the 1050 images of voc2012_det.py, for a machine without a GPU: EfficientNet-Lite0, whose ImageNet weights come
# in a package, instead of VGG16.
_base_ = [
    '../_base_/models/refinedet_vgg16.py',
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
    backbone=dict(
        _delete_=True,
        type='mmdownsize.EfficientNetLite',
        out_indices=(2, 3, 4),
        frozen_stages=2,
        norm_eval=True,
    ),
    # Its features are as large as VGG16's, because its blocks end without an activation: all three maps are normalised.
    neck=dict(in_channels=(40, 112, 320), extra_channels=(128,), l2_norm_scales=(10, 8, 8), out_channels=64),
    bbox_head=dict(in_channels=(40, 112, 320, 128), feat_channels=64),
)
