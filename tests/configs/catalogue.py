"""The configs there are, by what they need, and how the tests load them."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS, init_default_scope
from mmengine.runner import Runner

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()
FOLDERS = {
    'camvid': 'camvid',
    'voc2012': 'voc2012/VOCdevkit/VOC2012',
    'coco-mini': 'coco_mini',
    'cracks': 'crackforest',  # of study/configs
}
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/[!_]*.py'))
LABEL_FREE = [path for path in CONFIGS if path.parent.name == 'label_free']
REAL = [path for path in CONFIGS if any(name in path.stem for name in FOLDERS) and path not in LABEL_FREE]
FRAGMENTS = sorted((ROOT / 'configs' / '_base_' / 'downsize').glob('*.py'))
# Models as their own papers have them, without a downsizer.
PLAIN = [
    path
    for path in CONFIGS
    if path.stem.endswith('_plain')
    or path.stem.startswith('refinedet_vgg16_voc0712')
    or any(other.stem.startswith(f'{path.stem}-to-') for other in CONFIGS)
]
# Several downsizers before the same model.
SIBLINGS = [path for path in CONFIGS if path not in PLAIN + LABEL_FREE and (path in REAL or '-to-' in path.stem)]


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


def step_and_prediction(cfg: Config) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Take a training step as the config's hooks have it, and predict: losses and the samples of one validation image."""
    model = MODELS.build(cfg.model)
    model.init_weights()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    runner = SimpleNamespace(model=model)
    for hook in cfg.get('custom_hooks', []):
        if hook['type'] == 'mmdownsize.TrainOnlyHook':  # nothing else of the model is trained
            alone = HOOKS.build(hook)
            alone.before_train(runner)
            alone.before_train_iter(runner, 0)
    losses = model.train_step(next(iter(loader(cfg.train_dataloader, 2))), wrapper)
    with torch.no_grad():
        return losses, model.eval().val_step(next(iter(loader(cfg.val_dataloader, 1))))
