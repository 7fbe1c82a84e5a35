_base_ = './efficientnet-b0_ava_448-to-224.py'
# Two residual blocks, as in the paper for image quality.
model = dict(
    data_preprocessor=dict(
        downsizer=dict(_delete_=True, type='LearnedResizer', num_blocks=2, channels=16, start='random')
    )
)
