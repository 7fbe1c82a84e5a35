_base_ = ['./centernet_r18-dcnv2_voc2007-300x300-to-160x160.py', '../_base_/downsize/bilinear.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
