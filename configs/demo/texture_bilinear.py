_base_ = ['./_base_texture.py']
model = dict(data_preprocessor=dict(downsizer=dict(type='FixedResizer', kernel='bilinear')))
