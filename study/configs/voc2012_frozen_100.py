# As voc2012_frozen_160.py, at a third of the resolution.
_base_ = './voc2012_frozen_160.py'

model = dict(data_preprocessor=dict(scale=(100, 100)))
