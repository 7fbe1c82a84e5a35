"""The configs there are, by what they need, and how the tests load them."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()
FOLDERS = {'camvid': 'camvid', 'voc2012': 'voc2012/VOCdevkit/VOC2012', 'coco-mini': 'coco_mini'}
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/[!_]*.py'))
OF_THE_STUDY = [path for path in CONFIGS if path.parent.name in ('study', 'label_free')]
REAL = [path for path in CONFIGS if any(name in path.stem for name in FOLDERS) and path not in OF_THE_STUDY]
FRAGMENTS = sorted((ROOT / 'configs' / '_base_' / 'downsize').glob('*.py'))
# Models as their own papers have them, without a downsizer, and the study's finished ones, which get it later.
PLAIN = [
    path
    for path in CONFIGS
    if path.stem.endswith(('_plain', '_full'))
    or path.stem.startswith('refinedet_vgg16_voc0712')
    or any(other.stem.startswith(f'{path.stem}-to-') for other in CONFIGS)
]
# In front of the same model, several downsizers.
SIBLINGS = [path for path in CONFIGS if path not in PLAIN + OF_THE_STUDY and (path in REAL or '-to-' in path.stem)]


def stem(path: Path) -> str:
    return path.stem


def load(path: Path) -> Config:
    if path.parent.name == 'talebi':
        pytest.importorskip('tests.mmpretrain_here')
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    return cfg


def loader(cfg: Config, images: int) -> torch.utils.data.DataLoader:
    cfg.update(num_workers=0, persistent_workers=False, batch_size=images)
    cfg.dataset.indices = images
    return Runner.build_dataloader(cfg, seed=0)
