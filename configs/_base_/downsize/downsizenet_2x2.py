# DownsizeNet, 2x2 neighbours; starts as bilinear.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_2x2.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(
    type='DownsizeNet',
    num_convs=2,
    channels=16,
    neighbors=2,
    distance='bilinear',
    normalize='softmax',
    start='bilinear',
)
