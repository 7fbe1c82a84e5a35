# DownsizeNet as the paper states it: coefficients by sigmoid, divided by their sum, from a random start.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_paper.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(
    type='DownsizeNet', num_convs=2, channels=16, neighbors=2, distance='bilinear', normalize='sigmoid', start='random'
)
