# As voc2012_shifted_100.py, at about half of the resolution.
_base_ = './voc2012_shifted_100.py'

model = dict(data_preprocessor=dict(scale=(160, 160)))
