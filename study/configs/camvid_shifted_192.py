# As camvid_shifted_108.py, at about half of the resolution.
_base_ = './camvid_shifted_108.py'

model = dict(data_preprocessor=dict(scale_factor=8 / 15))
