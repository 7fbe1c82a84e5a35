# The kernel 'triangle': bilinear with antialiasing, which widens with the scale.
# _base_ = [A_CONFIG, '.../_base_/downsize/antialiased.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='bilinear', antialias=True)
