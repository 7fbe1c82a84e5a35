# A head is trained on behind a downsizer that was fitted to another model and stays as it is. MMDOWNSIZE_FITTED names the
# folder of the fits. For tools/compare.py --arms.
_base_ = './_resizers.py'

fitted = '{{$MMDOWNSIZE_FITTED:study/fitted}}'
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
for name, file in dict(long='voc2012_balanced', from_detector='voc2012_det').items():
    downsizer = dict(type='DownsizeNet', pretrained=f'{fitted}/{file}_{{seed}}.safetensors', frozen=True)
    arms[name] = dict(downsizer=downsizer)
