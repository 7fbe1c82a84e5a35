_base_ = './atss_efficientnet-lite0_bccd-480x640-to-120x160.py'
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, type='ImportanceResizer')))
