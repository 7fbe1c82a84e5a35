# CenterNet on PASCAL VOC: images of 300 x 300 are downsized to 160 x 160 before the model.
_base_ = './centernet_r18-dcnv2_voc2007-300x300.py'
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale=(160, 160)
    )
)
