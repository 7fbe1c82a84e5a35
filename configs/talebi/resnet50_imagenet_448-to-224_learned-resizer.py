_base_ = ['./resnet50_imagenet_448-to-224.py', '../_base_/downsize/learned_resizer.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
