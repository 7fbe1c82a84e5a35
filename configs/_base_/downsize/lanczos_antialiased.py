# Lanczos with antialiasing, PIL's LANCZOS.
# _base_ = [A_CONFIG, '.../_base_/downsize/lanczos_antialiased.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
downsizer = dict(type='FixedResizer', kernel='lanczos', antialias=True)
