"""Every config loads and builds; those on real data take a training step and predict in the image file's coordinates.

Those whose data or pretrained weights cannot be had do the same on noise, from scratch.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdet.structures import DetDataSample

from mmdownsize.preprocessors.resizers import build_resizer
from mmdownsize.resizers import DownsizeNet
from tools.compare_arms import load_arms

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()
FOLDERS = {'camvid': 'camvid', 'voc2012': 'voc2012/VOCdevkit/VOC2012'}
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/[!_]*.py'))
OF_THE_STUDY = [path for path in CONFIGS if path.parent.name in ('study', 'label_free')]
REAL = [path for path in CONFIGS if any(name in path.stem for name in FOLDERS) and path not in OF_THE_STUDY]
FRAGMENTS = sorted((ROOT / 'configs' / '_base_' / 'downsize').glob('*.py'))


def stem(path: Path) -> str:
    return path.stem


def load(path: Path) -> Config:
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    return cfg


@pytest.fixture
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Config:
    path: Path = request.param
    (folder,) = [DATA / value for name, value in FOLDERS.items() if name in path.stem]
    if not folder.is_dir():
        pytest.skip(f'real data not found at {folder}; name their folder in MMDOWNSIZE_DATA')
    monkeypatch.setenv('MMDOWNSIZE_DATA', str(DATA))
    return load(path)


def loader(cfg: Config, images: int) -> torch.utils.data.DataLoader:
    cfg.update(num_workers=0, persistent_workers=False, batch_size=images)
    cfg.dataset.indices = images
    return Runner.build_dataloader(cfg, seed=0)


def test_there_are_configs() -> None:
    assert len(REAL) == 13 and len(SIBLINGS) == 23 and len(CONFIGS) >= 30 and len(FRAGMENTS) == 11
    assert len(PLAIN) == 2


@pytest.mark.parametrize('path', CONFIGS, ids=stem)
def test_config_builds_its_model(path: Path) -> None:
    cfg = load(path)
    model = MODELS.build(cfg.model)
    preprocessor = cfg.model.data_preprocessor
    assert Path(cfg.filename).read_text().count('/work/') == 0
    if path.stem.endswith('_full'):  # the study's finished models, to which a downsizer comes later
        assert preprocessor.type == 'SegDataPreProcessor'
        return
    assert preprocessor.type.startswith('mmdownsize.')
    assert isinstance(model.data_preprocessor.downsizer, build_resizer(preprocessor.downsizer).__class__)
    assert {'mean', 'std'} <= preprocessor.keys()  # inherited where the config swaps two lines of a model-zoo config
    assert cfg.default_hooks.checkpoint.get('max_keep_ckpts', 1) == 1 or path not in REAL


@pytest.mark.parametrize('path', FRAGMENTS, ids=stem)
def test_fragment_builds_its_resizer(path: Path) -> None:
    resizer = build_resizer(Config.fromfile(path).downsizer).eval()
    image = torch.full((1, 3, 40, 40), 100.0)
    out = resizer(image, (16, 24))
    assert out.shape == (1, 3, 16, 24)
    if path.stem != 'learned_resizer':  # which starts at random
        torch.testing.assert_close(out, torch.full((1, 3, 16, 24), 100.0))


@pytest.mark.parametrize('path', SIBLINGS, ids=stem)
def test_siblings_differ_from_their_config_in_the_downsizer_only(path: Path) -> None:
    shortest = min((other for other in SIBLINGS if path.stem.startswith(other.stem)), key=lambda other: len(other.stem))
    ours, theirs = (load(other).to_dict() for other in (path, shortest))
    swapped = ours['model']['data_preprocessor'].pop('downsizer')
    default = theirs['model']['data_preprocessor'].pop('downsizer')
    ours.pop('downsizer', None)  # the fragment's variable
    assert ours == theirs
    assert (swapped == default) == (path == shortest)


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


def test_data_are_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in REAL:
        monkeypatch.delenv('MMDOWNSIZE_DATA', raising=False)
        assert load(path).train_dataloader.dataset.data_root.startswith('../shared/data/')
        monkeypatch.setenv('MMDOWNSIZE_DATA', '/elsewhere')
        assert load(path).train_dataloader.dataset.data_root.startswith('/elsewhere/')


@pytest.mark.parametrize('real', REAL, ids=stem, indirect=True)
def test_a_step_on_real_images_trains_all_and_predictions_fit_the_file(real: Config) -> None:
    if real.model.type == 'FasterRCNN':
        real.model.test_cfg.rcnn.score_thr = 0.0  # two steps teach nothing
    model = MODELS.build(real.model)
    model.init_weights()
    batch = next(iter(loader(real.train_dataloader, 2)))
    shapes = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    wrapper = build_optim_wrapper(model, real.optim_wrapper)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for _ in range(2):  # the texture of an exact start has no gradient in the first
        losses = model.train().train_step(batch, wrapper)
    assert all(torch.isfinite(loss) for loss in losses.values())
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert all(name.startswith('backbone.') for name in frozen)
    assert bool(frozen) == (real.model.backbone.get('frozen_stages', -1) >= 0)
    still = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    if real.model.get('bbox_head', {}).get('type') == 'mmdownsize.RefineDetHead':
        # A level that no object matches, and that has none of the hardest negatives, has no gradient: a bias of 0 stays.
        frozen |= {name for name in still if name.startswith('bbox_head.') and name.endswith('.bias')}
    assert still == frozen
    downsizer = model.data_preprocessor.downsizer
    assert isinstance(downsizer, DownsizeNet) == (real.model.data_preprocessor.downsizer.type == 'DownsizeNet')

    data = next(iter(loader(real.val_dataloader, 1)))
    with torch.no_grad():
        (sample,) = model.eval().val_step(data)
    if real.default_scope == 'mmseg':
        hw = (108, 144) if 'camvid' in str(real.filename) else (100, 100)
        assert shapes == [(2, 3, *hw)] * 2 + [(1, 3, *hw)]
        assert sample.pred_sem_seg.shape == sample.ori_shape
    else:
        height, width = sample.ori_shape
        h, w = sample.img_shape
        assert tuple(sample.scale_factor) == pytest.approx((w / width, h / height), rel=1e-5)
        if 'light-head-rcnn' in real.filename:  # keeps the aspect ratio
            assert max(h / 165, w / 275) == pytest.approx(1, abs=0.005) and h / w == pytest.approx(
                height / width, abs=0.01
            )
            assert shapes[2] == (1, 3, -(-h // 16) * 16, -(-w // 16) * 16)
        else:
            assert (h, w) == (160, 160) and shapes == [(2, 3, 160, 160)] * 2 + [(1, 3, 160, 160)]
        # Centres lie inside the image; the heat map, or the proposals, cover it to its right and lower edge.
        boxes = sample.pred_instances.bboxes
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert bool((centres >= -1).all()) and bool((centres <= torch.tensor([width, height]) + 1).all())
        assert centres[:, 0].max() > 0.5 * width and centres[:, 1].max() > 0.5 * height


@pytest.mark.parametrize('real', OF_THE_STUDY, ids=stem, indirect=True)
def test_a_config_of_the_study_takes_a_step_on_real_images(real: Config) -> None:
    model = MODELS.build(real.model)
    model.init_weights()
    wrapper = build_optim_wrapper(model, real.optim_wrapper)
    losses = model.train().train_step(next(iter(loader(real.train_dataloader, 2))), wrapper)
    assert all(torch.isfinite(loss) for loss in losses.values())
    with torch.no_grad():
        assert len(model.eval().val_step(next(iter(loader(real.val_dataloader, 1))))) == 1


def test_the_arms_of_the_study_build() -> None:
    arms = load_arms([], ROOT / 'configs/study/_arms.py', 'bilinear')
    assert {arm.train for arm in arms} == {True, False}
    for arm in arms:
        resizer = build_resizer(arm.downsizer)
        assert any(parameter.requires_grad for parameter in resizer.parameters()) == arm.train
