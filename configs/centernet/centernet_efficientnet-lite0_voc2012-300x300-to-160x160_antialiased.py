_base_ = ['./centernet_efficientnet-lite0_voc2012-300x300-to-160x160.py', '../_base_/downsize/antialiased.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
