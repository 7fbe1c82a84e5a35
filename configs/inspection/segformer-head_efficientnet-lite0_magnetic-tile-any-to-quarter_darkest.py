_base_ = './segformer-head_efficientnet-lite0_magnetic-tile-any-to-quarter.py'
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, type='FixedResizer', kernel='darkest')))
