"""A training that takes a second: a handful of generated images, and a config for them."""

from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
IMAGES, BATCH = 6, 2
HW = (24, 32)

CONFIG = """
_base_ = {runtime!r}
data = dict(
    type='BaseSegDataset', data_root={data!r}, img_suffix='.png', data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes=('a', 'b'), palette=[[0, 0, 0], [255, 255, 255]]),
)
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
pack = [dict(type='PackSegInputs')]
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='DownsizeNet', channels=4), scale_factor=0.5,
        mean=[127.0] * 3, std=[128.0] * 3, size={hw},
    ),
    backbone=dict(type='mmdownsize.EfficientNetLite', out_indices=(0,), pretrained=False),
    decode_head=dict(
        type='FCNHead', in_channels=16, in_index=0, channels=4, num_convs=1, concat_input=False, dropout_ratio=0.5,
        num_classes=2, align_corners=False,
    ),
    test_cfg=dict(mode='whole'),
)
train_dataloader = dict(
    batch_size={batch}, num_workers={workers}, persistent_workers={workers} > 0,
    sampler=dict(type={sampler!r}, shuffle=True),
    dataset=dict(**data, pipeline=load + [dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion')] + pack),
)
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**data, pipeline=load + pack),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='IoUMetric')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
param_scheduler = dict(type='PolyLR', begin=0, end={iters}, by_epoch=False)
train_cfg = {train_cfg}
val_cfg, test_cfg = dict(), dict()
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch={by_epoch}),
    checkpoint=dict(by_epoch={by_epoch}, interval={interval}, max_keep_ckpts=9, save_best='mIoU'),
)
log_processor = dict(window_size=1, by_epoch={by_epoch})
randomness = dict(seed={seed})
"""


def write_data(root: Path) -> Path:
    """Write the images and their labels."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'labels'):
        (root / folder).mkdir()
    for i in range(IMAGES):
        label = (np.arange(HW[1]) > rng.integers(8, 24)) * np.ones(HW, np.uint8)
        image = 80 * label[..., None] + rng.integers(0, 100, (*HW, 3))
        Image.fromarray(image.astype(np.uint8)).save(root / 'images' / f'{i}.png')
        Image.fromarray(label.astype(np.uint8)).save(root / 'labels' / f'{i}.png')
    return root


def write_training(folder: Path) -> tuple[Path, Path]:
    """Write the images and a config that trains on them by epochs; return the config's path and the images' folder."""
    data = folder / 'data'
    data.mkdir()
    return write_config(folder / 'config.py', write_data(data), by_epoch=True, seed=0, workers=0), data


def write_config(path: Path, data: Path, *, by_epoch: bool, seed: int | None, workers: int) -> Path:
    """Write a config for them."""
    epoch = IMAGES // BATCH
    train_cfg = (
        dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
        if by_epoch
        else dict(type='IterBasedTrainLoop', max_iters=2 * epoch, val_interval=epoch)
    )
    path.write_text(
        CONFIG.format(
            runtime=str(ROOT / 'configs/_base_/runtimes/mmseg.py'),
            data=str(data),
            hw=HW,
            batch=BATCH,
            workers=workers,
            sampler='DefaultSampler' if by_epoch else 'InfiniteSampler',
            iters=2 * epoch,
            train_cfg=train_cfg,
            by_epoch=by_epoch,
            interval=1 if by_epoch else epoch,
            seed=seed,
        )
    )
    return path
