# Road cracks at the image's own size, without a downsizer: the finished model of the tutorial, docs/tutorial.ipynb.
_base_ = [
    '../_base_/runtimes/mmseg_iters.py',
    '../_base_/datasets/crackforest.py',
    '../_base_/models/unet12.py',
    '../_base_/schedules/inspection.py',
]
preprocessor = _base_.model.data_preprocessor
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='SegDataPreProcessor',
        mean=preprocessor.mean,
        std=preprocessor.std,
        bgr_to_rgb=preprocessor.bgr_to_rgb,
        pad_val=preprocessor.pad_val,
        seg_pad_val=preprocessor.seg_pad_val,
        size=(160, 160),
    ),
)
del preprocessor
