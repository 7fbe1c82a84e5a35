_base_ = ['./deeplabv3plus_r101-d8_cityscapes-513x513-to-179x179.py', '../_base_/downsize/area.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
