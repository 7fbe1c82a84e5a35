# The learned resizer of Talebi & Milanfar (2021).
# 12,035 parameters: another image, not another mean of neighbours.
# _base_ = [A_CONFIG, '.../_base_/downsize/learned_resizer.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='LearnedResizer', num_blocks=1, channels=16, start='random')
