# As camvid_frozen_192.py, at three tenths of the resolution.
_base_ = './camvid_frozen_192.py'

model = dict(data_preprocessor=dict(scale_factor=0.3))
