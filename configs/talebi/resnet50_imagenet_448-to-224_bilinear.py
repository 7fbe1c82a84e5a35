_base_ = ['./resnet50_imagenet_448-to-224.py', '../_base_/downsize/bilinear.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
