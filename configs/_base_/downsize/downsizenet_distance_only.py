# DownsizeNet that does not see the image: a learned kernel, the same everywhere (the paper's ablation).
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_distance_only.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='DownsizeNet', texture=False)
