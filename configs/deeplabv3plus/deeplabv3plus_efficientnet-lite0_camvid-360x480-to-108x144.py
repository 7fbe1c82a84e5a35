# DeepLabv3+ on CamVid: images of 360 x 480 (h x w) are downsized to 108 x 144 before the model.
_base_ = [
    '../_base_/models/efficientnet-lite0-d8_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/camvid.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        dilations=(1, 2, 4),  # the usual 6, 12 and 18 would mostly see the padding around 14 x 18 pixels
        c1_in_channels=24,
        c1_channels=32,
    )
)
