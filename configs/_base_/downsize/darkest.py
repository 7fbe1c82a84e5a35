# A rank filter: the darkest source pixel of each output pixel. It keeps thin or small things that are dark.
# _base_ = [A_CONFIG, '.../_base_/downsize/darkest.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='darkest')
