"""Three models of the zoos as a new user takes them: swap, check, flops, two epochs, predict and export, a command each.

It takes about ten minutes, so `make nightly` runs it and `make test` does not. Weights of the zoos cannot be downloaded here:
the models start from random ones, and what they predict means nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / 'shared' / 'data'
pytestmark = [
    pytest.mark.skipif('MMDOWNSIZE_NIGHTLY' not in os.environ, reason='make nightly runs it: ten minutes'),
    pytest.mark.skipif(not (DATA / 'coco_mini').is_dir(), reason='needs ../shared/data'),
]

COCO = """
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(
    data_root='DATA/coco_mini/', ann_file='annotations/instances_train.json', data_prefix=dict(img='images/train/')))
val_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(
    data_root='DATA/coco_mini/', ann_file='annotations/instances_val.json', data_prefix=dict(img='images/val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='DATA/coco_mini/annotations/instances_val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=2, val_interval=2)
default_hooks = dict(logger=dict(interval=5))
"""
RTMDET = (
    "_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'\nmodel = dict(backbone=dict(init_cfg=None))\n"
    + COCO
    + 'train_cfg = dict(max_epochs=2, val_interval=2, dynamic_intervals=None)\n'
)
MASK_RCNN = (
    "_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'\nmodel = dict(backbone=dict(init_cfg=None))\n" + COCO
)
# 64 images of CamVid in batches of 8: 16 steps are two epochs.
SEGFORMER = """
_base_ = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
classes = ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car', 'Pedestrian', 'Bicyclist')
data = dict(_delete_=True, type='BaseSegDataset', data_root='DATA/camvid', metainfo=dict(classes=classes))
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
train_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False, dataset=dict(
    data, indices=64, data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
    pipeline=load + [dict(type='RandomCrop', crop_size=(320, 320)), dict(type='PackSegInputs')]))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data, indices=8, data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
    pipeline=load + [dict(type='PackSegInputs')]))
test_dataloader = val_dataloader
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
model = dict(
    data_preprocessor=dict(size=(320, 320)), pretrained=None, backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=11, norm_cfg=dict(type='BN')))
train_cfg = dict(max_iters=16, val_interval=16)
default_hooks = dict(checkpoint=dict(interval=16), logger=dict(interval=2))
"""
MODELS = {
    'rtmdet-tiny': (RTMDET, DATA / 'coco_mini/images/val', 'coco/bbox_mAP'),
    'mask-rcnn': (MASK_RCNN, DATA / 'coco_mini/images/val', 'coco/segm_mAP'),
    'segformer-b0': (SEGFORMER, DATA / 'camvid/images/val', 'mIoU'),
}


def command(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, '-m', 'mmdownsize', *words],
        cwd=folder,
        env=os.environ | {'COLUMNS': '200'},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f'mmdownsize {" ".join(words)}\n{said[-3000:]}'
    return said


@pytest.mark.parametrize('name', MODELS)
def test_every_step_is_one_command(name: str, tmp_path: Path) -> None:
    config, images, metric = MODELS[name]
    (tmp_path / 'mine.py').write_text(config.replace('DATA', str(DATA.resolve())))
    command(
        tmp_path, 'swap', 'mine.py', '--scale-factor', '0.5', '--resizer', 'importance_lanczos', '--out', 'swapped.py'
    )
    assert 'ImportanceResizer' in (tmp_path / 'swapped.py').read_text()
    assert len(command(tmp_path, 'check', 'swapped.py').strip().splitlines()) <= 4
    assert 'downsizer' in command(tmp_path, 'flops', 'swapped.py', '--shape', '640', '480')
    log = command(tmp_path, 'train', 'swapped.py', '--work-dir', 'run')
    assert metric in log
    (checkpoint,) = [path for path in (tmp_path / 'run').glob('*.pth') if path.stem in ('epoch_2', 'iter_16')]
    photographs = [str(path) for path in sorted(images.iterdir())[:3]]
    command(tmp_path, 'predict', 'swapped.py', str(checkpoint), *photographs, '--out', 'found')
    assert len(json.loads((tmp_path / 'found/predictions.json').read_text())['images']) == 3
    assert len(list((tmp_path / 'found/pictures').iterdir())) == 3
    command(tmp_path, 'export', 'swapped.py', str(checkpoint), '--out', 'downsizer.onnx')
    assert (tmp_path / 'downsizer.onnx').stat().st_size > 1000
