# The resizers of the study, and the rates and positions that the learned ones are trained at; what is trained with them, the
# arms say.
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
    downsizenet_6x6_bicubic=dict(from_area, distance='bicubic', start='bicubic'),
    downsizenet_6x6_area_distance_only=dict(from_area, texture=False),
    downsizenet_8x8_area=dict(from_area, neighbors=8),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
    downsizenet_paper=dict(type='DownsizeNet', start='random', normalize='sigmoid'),
    talebi=dict(type='LearnedResizer'),
    # Before training it is bilinear resizing: what a finished model can make something of.
    talebi_bilinear=dict(type='LearnedResizer', start='bilinear'),
    muller=dict(type='MullerResizer'),
)
at_rates = {'optim_wrapper.paramwise_cfg.custom_keys': _base_.downsizer_rates}
slowly = {'optim_wrapper.paramwise_cfg.custom_keys': {'data_preprocessor.downsizer': dict(lr_mult=1.0)}}
# As many epochs as the name says, with one validation at their end; the rate falls from the first to the last of them.
epochs = {
    name: {'train_cfg.max_epochs': number, 'train_cfg.val_interval': number, 'param_scheduler.1.end': number}
    for name, number in dict(one=1, two=2, three=3, four=4, five=5, fourteen=14).items()
}
# Each image in five positions, other ones than it is tested in (_shifts.py) but for the first: for the *_shifted_* configs.
in_five_positions = {'train_dataloader.dataset.shifts': _base_.fit_positions}
