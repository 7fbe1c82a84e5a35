# DETR on COCO: images of 300 x 300 are downsized to 165 x 165 before the model.
_base_ = './detr_r101_coco-300x300.py'
model = dict(
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale=(165, 165)
    )
)
