# The area mean less its blur to second order: a fixed kernel that is often the best one at a third of the size (docs/choose.md).
# _base_ = [A_CONFIG, '.../_base_/downsize/sharp_area.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='sharp_area')
