# Before training it is the antialiased resizer of texture_antialiased.py.
_base_ = ['./_base_texture.py']
model = dict(
    data_preprocessor=dict(
        downsizer=dict(
            type='DownsizeNet',
            num_convs=2,
            channels=16,
            neighbors=6,
            distance='triangle',
            normalize='softmax',
            start='triangle',
        )
    )
)
