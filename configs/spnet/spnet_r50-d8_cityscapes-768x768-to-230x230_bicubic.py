_base_ = ['./spnet_r50-d8_cityscapes-768x768-to-230x230.py', '../_base_/downsize/bicubic.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
