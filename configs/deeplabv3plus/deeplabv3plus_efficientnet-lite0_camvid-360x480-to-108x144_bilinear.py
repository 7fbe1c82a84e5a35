_base_ = ['./deeplabv3plus_efficientnet-lite0_camvid-360x480-to-108x144.py', '../_base_/downsize/bilinear.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
