# A second segmentor, FCN, trained at full resolution as voc2012_full.py is.
_base_ = ['./voc2012_full.py', './_fcn_head.py']

model = dict(decode_head=dict(_delete_=True, **_base_.fcn_head))
