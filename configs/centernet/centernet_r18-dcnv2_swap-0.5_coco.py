# A model-zoo config with DownsizeNet before the model: the two settings to change in any config of your own.
_base_ = 'mmdet::centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py'
model = dict(data_preprocessor=dict(
    type='mmdownsize.DetDownsizePreprocessor',
    downsizer=dict(type='DownsizeNet'), scale_factor=0.5,
    pad_size_divisor=32,  # CenterNet's test pipeline pads to a multiple of 32 before the image is downsized
))  # fmt: skip
