# Bilinear without antialiasing, what cv2 and mmcv's Resize do.
# _base_ = [A_CONFIG, '.../_base_/downsize/bilinear.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='bilinear')
