# Bicubic with antialiasing, PIL's BICUBIC.
# _base_ = [A_CONFIG, '.../_base_/downsize/bicubic_antialiased.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='bicubic', antialias=True)
