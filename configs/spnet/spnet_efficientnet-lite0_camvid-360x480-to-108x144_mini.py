# SPNet's head on CamVid, for a machine without a GPU. Images of 360 x 480 (h x w) are downsized to 108 x 144, the same ratio as
# in the paper's setting. EfficientNet-Lite0 replaces ResNet-50, whose weights are in no package. Its blocks have no strip
# pooling.
_base_ = [
    '../_base_/models/efficientnet-lite0-d8_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/camvid.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    decode_head=dict(
        type='mmdownsize.SPHead',
        mpm_channels=128,
        pool_sizes=(10, 6),  # for 14 x 18 pixels, as the paper's (20, 12) are for 29 x 29
    )
)
