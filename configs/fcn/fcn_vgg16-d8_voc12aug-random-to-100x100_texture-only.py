_base_ = ['./fcn_vgg16-d8_voc12aug-random-to-100x100.py', '../_base_/downsize/downsizenet_texture_only.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
