_base_ = ['./light-head-rcnn_vgg16_voc2007-300-to-165.py', '../_base_/downsize/downsizenet_texture_only.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
