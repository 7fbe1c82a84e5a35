# A second detector, FCOS, which has no anchors, trained at full resolution as voc2012_det_full.py is; give it that one's backbone
# and neck with --cfg-options load_from=...
_base_ = ['./voc2012_det_full.py', './_other_heads.py']

model = dict(type='FCOS', bbox_head=dict(_delete_=True, **_base_.fcos_head), train_cfg=dict(_delete_=True))
max_epochs = 4
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
