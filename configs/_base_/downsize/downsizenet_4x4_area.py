# DownsizeNet, 4x4 neighbours; starts as area.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_4x4_area.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(
    type='DownsizeNet', num_convs=2, channels=16, neighbors=4, distance='area', normalize='softmax', start='area'
)
