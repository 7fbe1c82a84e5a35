# DeepLabv3+ with ResNet-101 on Cityscapes, trained on crops of 513 x 513, tested on whole images: mmseg's config with a square
# crop.
_base_ = 'mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024.py'

crop_size = (513, 513)
train_pipeline = [
    dict(step, crop_size=crop_size) if step.type == 'RandomCrop' else step for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(data_preprocessor=dict(size=crop_size))
