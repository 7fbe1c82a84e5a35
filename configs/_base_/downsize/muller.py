# MULLER (Tu et al., 2023): bilinear and details.
# Two bands of detail, 4 parameters.
# _base_ = [A_CONFIG, '.../_base_/downsize/muller.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='MullerResizer', num_layers=2)
