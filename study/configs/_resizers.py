# The resizers of the study, the rates of the learned ones, and the positions that a fit sees.
_base_ = '../../configs/_base_/fits/finished_model.py'

fixed = dict(
    bilinear=dict(kernel='bilinear'),
    antialiased=dict(kernel='bilinear', antialias=True),
    area=dict(kernel='area'),
    sharp_area=dict(kernel='sharp_area'),
    bicubic=dict(kernel='bicubic'),
    bicubic_antialiased=dict(kernel='bicubic', antialias=True),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)
from_area = _base_.downsizer
learned = dict(
    downsizenet_6x6_area=from_area,
    downsizenet_6x6_sharp_area=dict(from_area, start='sharp_area'),
    downsizenet_6x6_area_distance_only=dict(from_area, texture=False),
    downsizenet_paper=dict(type='DownsizeNet', start='random', normalize='sigmoid'),
    talebi=dict(type='LearnedResizer'),
    # Bilinear resizing before training: a finished model can use its images from the first step.
    talebi_bilinear=dict(type='LearnedResizer', start='bilinear'),
)
at_rates = {'optim_wrapper.paramwise_cfg.custom_keys': _base_.downsizer_rates}
slowly = {'optim_wrapper.paramwise_cfg.custom_keys': {'data_preprocessor.downsizer': dict(lr_mult=1.0)}}
# As many epochs as the name says, one validation at the end; the rate falls from the first epoch to the last.
epochs = {
    name: {'train_cfg.max_epochs': number, 'train_cfg.val_interval': number, 'param_scheduler.1.end': number}
    for name, number in dict(one=1, two=2, five=5).items()
}
# For the *_shifted_* configs: each training image in five positions. Only the first of them is also tested (_shifts.py).
in_five_positions = {'train_dataloader.dataset.shifts': _base_.fit_positions}
