"""Every config loads and builds; those of full data sets step on random images, those on real data on theirs.

Predictions are in the image file's coordinates.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmseg.structures import SegDataSample

from mmdownsize.preprocessors.resizers import build_resizer
from mmdownsize.resizers import DownsizeNet

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()
FOLDERS = {'camvid': 'camvid', 'voc2012': 'voc2012/VOCdevkit/VOC2012'}
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/[!_]*.py'))
REAL = [path for path in CONFIGS if any(name in path.stem for name in FOLDERS)]
SIZES = re.compile(r'(\d+)x(\d+)-to-(\d+)x(\d+)')  # (h, w) before and after, in the file's name
# A config of a full data set without a downsizer, and those that put one in front of it.
PLAIN = [path for path in CONFIGS if any(other.stem.startswith(f'{path.stem}-to-') for other in CONFIGS)]
DOWNSIZED = [path for path in CONFIGS if any(path.stem.startswith(f'{other.stem}-to-') for other in PLAIN)]
MAIN = [path for path in DOWNSIZED if SIZES.search(path.stem).end() == len(path.stem)]
FRAGMENTS = sorted((ROOT / 'configs' / '_base_' / 'downsize').glob('*.py'))


def stem(path: Path) -> str:
    return path.stem


def load(path: Path) -> Config:
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    return cfg


@pytest.fixture(autouse=True)
def _quiet_initialisation() -> Iterator[None]:
    """mmengine logs every parameter that it initialises, which would bury the report of a failure."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    yield
    logger.setLevel(level)


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
    assert len(REAL) >= 14 and len(CONFIGS) >= 42 and len(FRAGMENTS) == 11
    assert len(PLAIN) == len(MAIN) >= 5 and len(DOWNSIZED) == 5 * len(MAIN)


@pytest.mark.parametrize('path', CONFIGS, ids=stem)
def test_config_builds_its_model(path: Path) -> None:
    cfg = load(path)
    model = MODELS.build(cfg.model)
    preprocessor = cfg.model.data_preprocessor
    if path in PLAIN:
        assert not preprocessor.type.startswith('mmdownsize.') and not hasattr(model.data_preprocessor, 'downsizer')
    else:
        assert preprocessor.type.startswith('mmdownsize.')
        assert isinstance(model.data_preprocessor.downsizer, build_resizer(preprocessor.downsizer).__class__)
    assert {'mean', 'std'} <= preprocessor.keys()  # inherited where the config swaps two lines of a model-zoo config
    assert cfg.default_hooks.checkpoint.get('max_keep_ckpts', 1) == 1 or path not in REAL
    assert Path(cfg.filename).read_text().count('/work/') == 0


@pytest.mark.parametrize('path', FRAGMENTS, ids=stem)
def test_fragment_builds_its_resizer(path: Path) -> None:
    resizer = build_resizer(Config.fromfile(path).downsizer).eval()
    image = torch.full((1, 3, 40, 40), 100.0)
    out = resizer(image, (16, 24))
    assert out.shape == (1, 3, 16, 24)
    if path.stem != 'learned_resizer':  # which starts at random
        torch.testing.assert_close(out, torch.full((1, 3, 16, 24), 100.0))


@pytest.mark.parametrize('path', [*REAL, *DOWNSIZED], ids=stem)
def test_siblings_differ_from_their_config_in_the_downsizer_only(path: Path) -> None:
    family = [other for other in [*REAL, *DOWNSIZED] if path.stem.startswith(other.stem)]
    shortest = min(family, key=lambda other: len(other.stem))
    ours, theirs = (load(other).to_dict() for other in (path, shortest))
    swapped = ours['model']['data_preprocessor'].pop('downsizer')
    default = theirs['model']['data_preprocessor'].pop('downsizer')
    ours.pop('downsizer', None)  # the fragment's variable
    assert ours == theirs
    assert (swapped == default) == (path == shortest)


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_the_downsized_config_is_the_plain_one_with_another_preprocessor(path: Path) -> None:
    (base,) = [other for other in PLAIN if path.stem.startswith(f'{other.stem}-to-')]
    ours, theirs = (load(other).to_dict() for other in (path, base))
    swapped, plain = (cfg['model'].pop('data_preprocessor') for cfg in (ours, theirs))
    assert ours == theirs
    assert {key: value for key, value in swapped.items() if plain.get(key) != value}.keys() <= {
        'type',
        'downsizer',
        'scale',
        'scale_factor',
    }
    src_h, src_w, dst_h, dst_w = map(int, SIZES.search(path.stem).groups())
    assert MODELS.build(load(path).model.data_preprocessor).target.of((src_h, src_w)) == (dst_h, dst_w)


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_siblings_are_the_four_that_are_compared(path: Path) -> None:
    found = [other.stem.removeprefix(path.stem) for other in DOWNSIZED if other.stem.startswith(path.stem)]
    assert sorted(found) == ['', '_area', '_bicubic', '_bilinear', '_texture-only']


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


def random_batch(cfg: Config, hw: tuple[int, int], ori_hw: tuple[int, int]) -> dict:
    """Two images of the training size, the second without any object or with nothing labelled."""
    inputs, samples = [], []
    h, w = hw
    meta = dict(
        img_id=0,
        img_path='',
        img_shape=hw,
        ori_shape=ori_hw,
        scale_factor=(w / ori_hw[1], h / ori_hw[0]),
        border=np.array([0, h, 0, w], np.float32),
    )
    for boxes in ([[10, 20, 110, 180], [150, 40, 290, 120]], []):
        inputs.append(torch.randint(0, 256, (3, *hw), dtype=torch.uint8))
        if cfg.default_scope == 'mmseg':
            labels = torch.randint(0, 4, (1, *hw)) if boxes else torch.full((1, *hw), 255)
            samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=labels)))
            continue
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        labels = torch.arange(len(boxes))
        samples.append(DetDataSample(metainfo=meta))
        samples[-1].gt_instances = InstanceData(bboxes=HorizontalBoxes(boxes), labels=labels)
    return dict(inputs=inputs, data_samples=samples)


def without_download(path: Path) -> tuple[Config, torch.nn.Module]:
    """A config and its model with random weights, batch norm in place of SyncBN, which does not run on CPUs.

    Residual branches do not start at nothing, as they would without ImageNet weights: what is in them had no gradient.
    """
    cfg = load(path)
    cfg.model.backbone.update(init_cfg=None, zero_init_residual=False)
    if 'pretrained' in cfg.model:  # the older way of mmseg's configs
        cfg.model.pretrained = None
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    return cfg, model


# DETR's first decoder layer attends to queries that are nothing but zeros: no weight of that attention can matter.
UNUSED = {'decoder.layers.0.self_attn.attn.in_proj_weight'}


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_a_step_at_the_papers_sizes_trains_all(path: Path) -> None:
    cfg, model = without_download(path)
    src_h, src_w, dst_h, dst_w = map(int, SIZES.search(path.stem).groups())
    ori_hw = (src_h // 2, src_w + 31)
    shapes = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    reached = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(
                lambda given, name=name: reached.add(name) if given.grad.abs().sum() > 0 else None
            )
    for _ in range(2):  # the texture of an exact start has no gradient in the first
        losses = model.train().train_step(random_batch(cfg, (src_h, src_w), ori_hw), wrapper)
        assert all(torch.isfinite(loss).all() for loss in losses.values())
    assert shapes == [(2, 3, dst_h, dst_w)] * 2
    parameters = dict(model.named_parameters())
    frozen = {name for name, parameter in parameters.items() if not parameter.requires_grad}
    assert all(name.startswith('backbone.') for name in frozen)
    assert bool(frozen) == (cfg.model.backbone.get('frozen_stages', -1) >= 0)
    assert all(torch.isfinite(parameter).all() for parameter in parameters.values())
    assert parameters.keys() - reached - UNUSED == frozen

    with torch.no_grad():
        batch = random_batch(cfg, (src_h, src_w), ori_hw)
        (sample,) = model.eval().val_step({key: value[:1] for key, value in batch.items()})
    if cfg.default_scope == 'mmseg':
        assert sample.pred_sem_seg.shape == sample.ori_shape == ori_hw
    else:
        assert tuple(sample.scale_factor) == pytest.approx((dst_w / ori_hw[1], dst_h / ori_hw[0]), rel=1e-5)
        boxes = sample.pred_instances.bboxes
        assert boxes.shape == (100, 4) and bool(torch.isfinite(boxes).all())


def test_boxes_of_detr_are_normalised_by_the_downsized_image() -> None:
    (path,) = [path for path in MAIN if path.stem.startswith('detr_')]
    cfg, model = without_download(path)
    batch = random_batch(cfg, (300, 300), (480, 640))
    given = batch['data_samples'][0].gt_instances.bboxes.tensor
    data = model.data_preprocessor(batch, True)
    sample = data['data_samples'][0]
    assert data['inputs'].shape == (2, 3, 165, 165) and sample.img_shape == sample.batch_input_shape == (165, 165)
    torch.testing.assert_close(sample.gt_instances.bboxes, given * 165 / 300)
    targets = model.bbox_head._get_targets_single(
        torch.randn(100, 81), torch.rand(100, 4), sample.gt_instances, sample.metainfo
    )
    _, _, boxes, weights, matched, _ = targets
    assert len(matched) == 2 and int(weights.sum()) == 8
    x1, y1, x2, y2 = (given / 300).unbind(1)
    wanted = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
    found = boxes[matched]
    torch.testing.assert_close(found[found[:, 0].argsort()], wanted[wanted[:, 0].argsort()])


@pytest.mark.parametrize('path', [path for path in PLAIN if path.stem.startswith(('detr_', 'centernet_'))], ids=stem)
def test_a_plain_detector_steps_and_predicts_at_its_own_size(path: Path) -> None:
    cfg, model = without_download(path)
    losses = model.train_step(random_batch(cfg, (300, 300), (375, 500)), build_optim_wrapper(model, cfg.optim_wrapper))
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    with torch.no_grad():
        predictions = model.eval().val_step(random_batch(cfg, (300, 300), (375, 500)))
    assert [tuple(sample.pred_instances.bboxes.shape) for sample in predictions] == [(100, 4)] * 2
