# As cracks_frozen_80.py, on a third: images of 320 x 480 become 108 x 160 (107 would not be a multiple of the stride), crops of
# 192 x 192 become 64 x 64.
_base_ = './cracks_frozen_80.py'
crop_size = (192, 192)
model = dict(
    data_preprocessor=dict(scale_factor=None, scale=(160, 108), train_scale_factor=(1 / 3, 1 / 3), size=crop_size)
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
