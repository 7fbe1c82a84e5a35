# A rank filter: the brightest source pixel of each output pixel. It keeps thin or small things that are bright.
# _base_ = [A_CONFIG, '.../_base_/downsize/brightest.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='brightest')
