# As camvid_finetuned_108.py, at a fifth of the resolution.
_base_ = './camvid_finetuned_108.py'

model = dict(data_preprocessor=dict(scale_factor=0.2))
