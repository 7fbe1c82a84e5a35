# As voc2012_shifted_100.py, at a size that all strides of the network divide, as they divide that of the crops it was trained on.
_base_ = './voc2012_shifted_100.py'

model = dict(data_preprocessor=dict(scale=(96, 96)))
