# The paper's ablation: texture without distance.
# DownsizeNet that does not know where between its neighbours an output pixel is.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_texture_only.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='DownsizeNet', distance=None, start='random')
