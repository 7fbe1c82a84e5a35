# DownsizeNet with 3 convolutions instead of 2 (an ablation of its paper).
_base_ = './refinedet_vgg16_voc2007-300x300-to-160x160.py'
model = dict(data_preprocessor=dict(downsizer=dict(num_convs=3)))
