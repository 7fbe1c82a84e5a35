_base_ = './unet_crackforest-320x480-to-80x120.py'
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, type='FixedResizer', kernel='area')))
