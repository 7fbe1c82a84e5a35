# DownsizeNet as in the paper, from a random start.
# Coefficients by sigmoid, divided by their sum.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_paper.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(
    type='DownsizeNet', num_convs=2, channels=16, neighbors=2, distance='bilinear', normalize='sigmoid', start='random'
)
