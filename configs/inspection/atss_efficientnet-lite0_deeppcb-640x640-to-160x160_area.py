_base_ = './atss_efficientnet-lite0_deeppcb-640x640-to-160x160.py'
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, type='FixedResizer', kernel='area')))
