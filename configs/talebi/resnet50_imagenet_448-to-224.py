# ImageNet classification after Talebi & Milanfar (2021): crops of 448 x 448 are downsized to 224 x 224 before a ResNet-50, and
# both are trained together. The schedule is mmpretrain's for ResNet-50 on 8 GPUs with 32 images each.
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    '../_base_/datasets/imagenet_448_cls.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.ClsDownsizePreprocessor',
        num_classes=1000,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        downsizer=dict(type='DownsizeNet'),
        scale=(224, 224),
    )
)
randomness = dict(seed=0)
