# The mean over the area of each output pixel, cv2's INTER_AREA.
# _base_ = [A_CONFIG, '.../_base_/downsize/area.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='area')
