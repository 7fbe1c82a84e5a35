# Downsizers that were fitted elsewhere, tested as they are, for tools/compare.py --arms. MMDOWNSIZE_FITTED names the folder
# that tools/extract_downsizer.py has put them into.
_base_ = './_resizers.py'

fitted = '{{$MMDOWNSIZE_FITTED:work_dirs/study/fitted}}'
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
elsewhere = dict(
    fitted_to_voc2012=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_{seed}.safetensors'),
    balanced_fitted_to_voc2012=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_balanced_{seed}.safetensors'),
    distance_only_fitted_to_voc2012=dict(
        type='DownsizeNet', pretrained=fitted + '/voc2012_distance_only_{seed}.safetensors'
    ),
    positions_fitted_to_voc2012=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_positions_{seed}.safetensors'),
    positions_balanced_fitted_to_voc2012=dict(
        type='DownsizeNet', pretrained=fitted + '/voc2012_positions_balanced_{seed}.safetensors'
    ),
    varied_images_fitted_to_voc2012=dict(
        type='DownsizeNet', pretrained=fitted + '/voc2012_varied_images_{seed}.safetensors'
    ),
    any_factor_fitted_to_voc2012=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_any_{seed}.safetensors'),
    sharp_area_any_fitted_to_voc2012=dict(
        type='DownsizeNet', pretrained=fitted + '/voc2012_sharp_area_any_{seed}.safetensors'
    ),
    positions_fitted_to_the_second_segmentor=dict(
        type='DownsizeNet', pretrained=fitted + '/voc2012_fcn_positions_{seed}.safetensors'
    ),
    fitted_to_camvid=dict(type='DownsizeNet', pretrained=fitted + '/camvid_{seed}.safetensors'),
    balanced_fitted_to_camvid=dict(type='DownsizeNet', pretrained=fitted + '/camvid_balanced_{seed}.safetensors'),
    wholly_balanced_fitted_to_camvid=dict(
        type='DownsizeNet', pretrained=fitted + '/camvid_wholly_balanced_{seed}.safetensors'
    ),
    fitted_to_the_detector=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_det_{seed}.safetensors'),
    paper_fitted_to_voc2012=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_paper_{seed}.safetensors'),
    talebi_fitted_to_voc2012=dict(type='LearnedResizer', pretrained=fitted + '/voc2012_talebi_{seed}.safetensors'),
)
arms.update({name: dict(downsizer=downsizer, train=False) for name, downsizer in elsewhere.items()})
