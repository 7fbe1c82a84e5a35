"""Every config loads and builds; those on real data take a training step and predict in the image file's coordinates.

Those whose data or pretrained weights cannot be had do the same on noise, from scratch.
"""

import os
from pathlib import Path

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


def test_data_are_looked_for_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in REAL:
        monkeypatch.delenv('MMDOWNSIZE_DATA', raising=False)
        assert load(path).train_dataloader.dataset.data_root.startswith('../shared/data/')
        monkeypatch.setenv('MMDOWNSIZE_DATA', '/elsewhere')
        assert load(path).train_dataloader.dataset.data_root.startswith('/elsewhere/')


@pytest.mark.parametrize('real', REAL, ids=stem, indirect=True)
def test_a_step_on_real_images_trains_all_and_predictions_fit_the_file(real: Config) -> None:
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
        assert shapes == [(2, 3, 160, 160)] * 2 + [(1, 3, 160, 160)]
        height, width = sample.ori_shape
        assert tuple(sample.scale_factor) == pytest.approx((160 / width, 160 / height), rel=1e-5)
        # Centres lie inside the image; the heat map covers it to its right and lower edge.
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
