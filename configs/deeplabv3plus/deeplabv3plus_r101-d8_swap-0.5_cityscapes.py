# A model-zoo config with DownsizeNet before the model: the two settings to change in any config of your own.
_base_ = 'mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024.py'
model = dict(data_preprocessor=dict(
    type='mmdownsize.SegDownsizePreprocessor',
    downsizer=dict(type='DownsizeNet'), scale_factor=0.5,
))  # fmt: skip
