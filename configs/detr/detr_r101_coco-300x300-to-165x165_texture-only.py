_base_ = ['./detr_r101_coco-300x300-to-165x165.py', '../_base_/downsize/downsizenet_texture_only.py']
model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
