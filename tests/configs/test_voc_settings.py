"""Light-Head R-CNN and FCN on a generated VOC folder: trained a step, evaluated, saved and loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.checkpoints import allow_mmengine_checkpoints
from tests.configs.catalogue import CONFIGS, REAL, ROOT, load, stem
from tests.voc_devkit import write_devkit

PLAIN = [path for path in CONFIGS if path.stem.endswith('_plain')]  # without a downsizer
# Papers' settings on full data sets, and their siblings: end of the name, fragment.
SIBLINGS = {
    'bilinear': 'bilinear',
    'bicubic': 'bicubic',
    'area': 'area',
    'texture-only': 'downsizenet_texture_only',
}
FULL = [path for path in CONFIGS if path.parent.name in ('light_head_rcnn', 'fcn') and path not in REAL + PLAIN]
SETTINGS = [path for path in FULL if path.stem.rpartition('_')[2] not in SIBLINGS]
# Sizes (w, h) in full-size configs, and what stands for them in a step of a test.
SMALLER = {(1200, 800): (240, 160), (500, 300): (200, 120), (2048, 512): (256, 64), (512, 512): (64, 64)}


def test_there_are_settings() -> None:
    assert len(SETTINGS) == 2 and len(FULL) == len(SETTINGS) * (1 + len(SIBLINGS)) and len(PLAIN) == 2


@pytest.mark.parametrize('path', SETTINGS, ids=stem)
def test_a_papers_setting_has_siblings_that_differ_in_the_downsizer_only(path: Path) -> None:
    setting = load(path).to_dict()
    assert setting['model']['data_preprocessor'].pop('downsizer') == {'type': 'DownsizeNet'}
    for end, fragment in SIBLINGS.items():
        sibling = load(path.with_stem(f'{path.stem}_{end}')).to_dict()
        wanted = Config.fromfile(ROOT / 'configs' / '_base_' / 'downsize' / f'{fragment}.py').downsizer.to_dict()
        assert sibling['model']['data_preprocessor'].pop('downsizer') == wanted
        sibling.pop('downsizer')  # the fragment's variable
        assert sibling == setting


def smaller(value: Any, devkit: Path) -> Any:
    """The same settings with small sizes and the test's own data."""
    if isinstance(value, dict):
        return {key: smaller(entry, devkit) for key, entry in value.items()}
    if isinstance(value, str):
        return value.replace('data/VOCdevkit', str(devkit))
    if isinstance(value, tuple):
        return SMALLER.get(value, value)
    return [smaller(entry, devkit) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize('path', SETTINGS + PLAIN, ids=stem)
def test_a_full_config_trains_every_parameter_is_evaluated_and_saved(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = load(path)
    assert cfg.model.backbone.pop('init_cfg').checkpoint.startswith('open-mmlab://')  # not fetched here
    assert 'data/VOCdevkit' in cfg.val_dataloader.dataset.data_root
    cfg = Config(smaller(cfg.to_dict(), write_devkit(tmp_path)))
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name].update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = 2
    if cfg.train_dataloader.dataset.type == 'ConcatDataset':
        cfg.train_dataloader.dataset.datasets = cfg.train_dataloader.dataset.datasets[:1]
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1)
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=1)
    cfg.update(work_dir=str(tmp_path), experiment_name=path.stem, log_level='ERROR', visualizer=None)
    cfg.log_processor.by_epoch = False
    cfg.param_scheduler = []
    if cfg.default_scope == 'mmdet':
        cfg.model.test_cfg.rcnn.score_thr = 0.0  # one step teaches nothing

    monkeypatch.setattr(Config, 'pretty_text', '')  # yapf takes half a minute over nested lists
    runner = Runner.from_cfg(cfg)
    gradients = {}
    trained = {name: p for name, p in runner.model.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: gradients.update({name: p.grad.clone()}))
    runner.train()
    assert gradients.keys() == trained.keys()
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    # The texture of an exact start has no gradient in the first step.
    still = {name for name, gradient in gradients.items() if not gradient.any()}
    assert all(name.startswith('data_preprocessor.downsizer.texture.') for name in still), still

    metric = {'mmdet': 'pascal_voc/mAP', 'mmseg': 'mIoU'}[cfg.default_scope]
    measured = runner.val_loop.run()
    assert 0 <= measured[metric] <= 100
    state = {name: value.clone() for name, value in runner.model.state_dict().items()}
    with torch.no_grad():
        for parameter in trained.values():
            parameter.zero_()
    allow_mmengine_checkpoints()
    runner.load_checkpoint(str(tmp_path / 'iter_1.pth'), strict=True)
    assert all(torch.equal(value, state[name]) for name, value in runner.model.state_dict().items())
    assert runner.val_loop.run() == measured
