# DeepLabv3+ on PASCAL VOC 2012: crops of 513 x 513 are downsized to 179 x 179 before the model, test images by the same factor.
_base_ = './deeplabv3plus_r101-d8_voc12aug-513x513.py'
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=179 / 513
    )
)
