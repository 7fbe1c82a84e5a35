# Resizers in front of a model that is trained on behind them, for tools/compare.py --arms: fixed kernels, and downsizers that
# were fitted elsewhere (MMDOWNSIZE_FITTED, as in _arms_transfer.py), for a short, a middle and a long schedule. They stay as
# they are, but for the last, which is trained on with the model.
_base_ = './_resizers.py'

fitted = '{{$MMDOWNSIZE_FITTED:work_dirs/study/fitted}}'
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
elsewhere = dict(
    short=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_balanced_short_{seed}.safetensors'),
    middle=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_balanced_middle_{seed}.safetensors'),
    long=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_balanced_{seed}.safetensors'),
    paper_long=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_paper_{seed}.safetensors'),
    positions=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_positions_{seed}.safetensors'),
    from_detector=dict(type='DownsizeNet', pretrained=fitted + '/voc2012_det_{seed}.safetensors'),
    talebi_long=dict(type='LearnedResizer', pretrained=fitted + '/voc2012_talebi_{seed}.safetensors'),
)
arms.update({name: dict(downsizer=dict(downsizer, frozen=True)) for name, downsizer in elsewhere.items()})
arms['positions_trained_on'] = dict(downsizer=elsewhere['positions'])
