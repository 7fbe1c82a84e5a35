# SPNet on Cityscapes: crops of 768 x 768 are downsized to 230 x 230 before the model, whole test images by the same factor.
_base_ = './spnet_r50-d8_cityscapes-768x768.py'
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=230 / 768
    )
)
