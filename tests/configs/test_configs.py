"""Every config loads and builds; those on real data take a training step and predict in the image file's coordinates."""

from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')


from mmdownsize.comparing.arms import load_arms
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.resizers import DownsizeNet
from tests.configs.catalogue import (
    CONFIGS,
    FRAGMENTS,
    LABEL_FREE,
    PLAIN,
    REAL,
    ROOT,
    SIBLINGS,
    load,
    loader,
    stem,
    step_and_prediction,
)


def test_there_are_configs() -> None:
    assert len(REAL) >= 12 and len(SIBLINGS) >= 33 and len(PLAIN) >= 6 and len(FRAGMENTS) == 20


def test_the_model_index_names_every_config_of_a_pipeline() -> None:
    files = [ROOT / name for name in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']]
    indexed = []
    for content in (yaml.safe_load(path.read_text()) for path in files):
        (collection,) = content['Collections']
        assert (ROOT / collection['README']).is_file()
        for model in content['Models']:
            assert model['In Collection'] == collection['Name'] and model['Name'] == Path(model['Config']).stem
            indexed.append(ROOT / model['Config'])
    assert len(indexed) == len(set(indexed))
    assert set(indexed) == {path for path in CONFIGS if path.parent.name not in ('label_free', 'demo')}


@pytest.mark.parametrize('path', CONFIGS, ids=stem)
def test_config_builds_its_model(path: Path) -> None:
    cfg = load(path)
    model = MODELS.build(cfg.model)
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.type.startswith('mmdownsize.') == ('downsizer' in preprocessor) == (path not in PLAIN)
    assert path in PLAIN or isinstance(
        model.data_preprocessor.downsizer, build_resizer(preprocessor.downsizer).__class__
    )
    assert {'mean', 'std'} <= preprocessor.keys()  # inherited where the config swaps two lines of a model-zoo config
    assert cfg.default_hooks.checkpoint.get('max_keep_ckpts', 1) == 1 or path not in REAL
    assert path.read_text().count('/work/') == 0


@pytest.mark.parametrize('path', FRAGMENTS, ids=stem)
def test_fragment_builds_its_resizer(path: Path) -> None:
    resizer = build_resizer(Config.fromfile(path).downsizer).eval()
    image = torch.full((1, 3, 40, 40), 100.0)
    out = resizer(image, (16, 24))
    assert out.shape == (1, 3, 16, 24)
    if path.stem != 'learned_resizer':  # which starts at random
        torch.testing.assert_close(out, torch.full((1, 3, 16, 24), 100.0))
    names = [f'data_preprocessor.downsizer.{name}' for name, _ in resizer.named_parameters()]
    for key in Config.fromfile(path).get('downsizer_rates', {}):
        assert any(key in name for name in names), key


@pytest.mark.parametrize('path', SIBLINGS, ids=stem)
def test_siblings_differ_from_their_config_in_the_downsizer_and_its_rates_only(path: Path) -> None:
    shortest = min((other for other in SIBLINGS if path.stem.startswith(other.stem)), key=lambda other: len(other.stem))
    ours, theirs = (load(other).to_dict() for other in (path, shortest))
    swapped = ours['model']['data_preprocessor'].pop('downsizer')
    default = theirs['model']['data_preprocessor'].pop('downsizer')
    for one in (ours, theirs):
        one.pop('downsizer', None)  # the fragment's variable
        rates = one.get('optim_wrapper', {}).get('paramwise_cfg', {}).get('custom_keys', {})
        for key in [key for key in rates if key.startswith('data_preprocessor.downsizer.')]:
            rates.pop(key)  # each resizer has parts of its own
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
            assert h == w == (165 if real.model.type == 'DETR' else 160)
            assert shapes == [(2, 3, h, w)] * 2 + [(1, 3, h, w)]
        # Centres lie inside the image; the heat map, or the proposals, cover it to its right and lower edge.
        boxes = sample.pred_instances.bboxes
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert bool((centres >= -1).all()) and bool((centres <= torch.tensor([width, height]) + 1).all())
        reach = 0.4 if real.model.type == 'DETR' else 0.5  # before training its queries all look at the middle
        assert centres[:, 0].max() > reach * width and centres[:, 1].max() > reach * height


@pytest.mark.parametrize('real', LABEL_FREE, ids=stem, indirect=True)
def test_a_config_without_labels_takes_a_step_on_real_images(real: Config) -> None:
    losses, predicted = step_and_prediction(real)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert len(predicted) == 1


def test_the_shifted_kernels_are_four_in_seven_places() -> None:
    arms = load_arms([], ROOT / 'configs/_base_/arms/shifted_kernels.py', None)
    assert len(arms) == len({tuple(arm.downsizer.items()) for arm in arms}) == 4 * 7
    unshifted = {arm.name: arm.downsizer for arm in arms if '_moved_' not in arm.name}
    for arm in arms:
        name, _, by = arm.name.partition('_moved_')
        assert arm.downsizer == {**unshifted[name], 'shift': (int(by or 0),) * 2}
        assert not arm.train
