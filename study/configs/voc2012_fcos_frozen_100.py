# The second detector (voc2012_fcos_full.py, given with --start), run on 100 x 100.
_base_ = ['./voc2012_det_frozen_100.py', './_other_heads.py']

model = dict(type='FCOS', bbox_head=dict(_delete_=True, **_base_.fcos_head), train_cfg=dict(_delete_=True))
