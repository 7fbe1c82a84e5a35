# The paper's ablation: a learned kernel, no image.
# DownsizeNet that does not see the image: the same coefficients everywhere.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_distance_only.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='DownsizeNet', texture=False)
