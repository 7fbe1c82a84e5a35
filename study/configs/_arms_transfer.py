# Downsizers that were fitted to another model, only tested. MMDOWNSIZE_FITTED names the folder of the fits; those of
# voc2012_{seed} are made by _arms.py and tools/extract_downsizer.py. For tools/compare.py --arms.
_base_ = './_resizers.py'

fitted = '{{$MMDOWNSIZE_FITTED:study/fitted}}'
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
for name, file in dict(
    fitted_to_voc2012='voc2012',
    distance_only_fitted_to_voc2012='voc2012_distance_only',
    positions_fitted_to_voc2012='voc2012_positions',
    fitted_to_camvid='camvid',
    fitted_to_the_detector='voc2012_det',
).items():
    downsizer = dict(type='DownsizeNet', pretrained=f'{fitted}/{file}_{{seed}}.safetensors')
    arms[name] = dict(downsizer=downsizer, train=False)
