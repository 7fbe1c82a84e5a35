# The second segmentor (voc2012_fcn_full.py, given with --start), run on 100 x 100, with every validation image in six positions.
_base_ = ['./voc2012_shifted_100.py', './_fcn_head.py']

model = dict(decode_head=dict(_delete_=True, **_base_.fcn_head))
