# As voc2012_finetuned_100.py, at a fifth of the resolution.
_base_ = './voc2012_finetuned_100.py'

model = dict(data_preprocessor=dict(scale=(60, 60)))
