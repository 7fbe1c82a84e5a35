"""Every config loads and builds; those on real data take a training step and predict in the image file's coordinates."""

import random
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')


from mmdownsize.comparing.arms import config_of, load_arms
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.registry import DATASETS
from mmdownsize.resizers import DownsizeNet
from tests.configs.catalogue import CONFIGS, FRAGMENTS, OF_THE_STUDY, PLAIN, REAL, ROOT, SIBLINGS, load, loader, stem


def test_there_are_configs() -> None:
    assert len(REAL) >= 12 and len(SIBLINGS) >= 33 and len(PLAIN) >= 6 and len(FRAGMENTS) == 13


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
    assert set(indexed) == {path for path in CONFIGS if path.parent.name not in ('study', 'label_free', 'demo')}


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


@pytest.mark.parametrize('real', OF_THE_STUDY, ids=stem, indirect=True)
def test_a_config_of_the_study_takes_a_step_on_real_images(real: Config) -> None:
    model = MODELS.build(real.model)
    model.init_weights()
    wrapper = build_optim_wrapper(model, real.optim_wrapper)
    model.train()
    runner = SimpleNamespace(model=model)
    for hook in real.get('custom_hooks', []):
        if hook['type'] == 'mmdownsize.TrainOnlyHook':  # the rest of the model stands still
            alone = HOOKS.build(hook)
            alone.before_train(runner)
            alone.before_train_iter(runner, 0)
    losses = model.train_step(next(iter(loader(real.train_dataloader, 2))), wrapper)
    assert all(torch.isfinite(loss) for loss in losses.values())
    with torch.no_grad():
        assert len(model.eval().val_step(next(iter(loader(real.val_dataloader, 1))))) == 1


@pytest.mark.parametrize('name', ['_arms', '_arms_decay', '_arms_det', '_arms_finetuned', '_arms_head'])
def test_the_arms_of_the_study_build(name: str) -> None:
    arms = load_arms([], ROOT / f'study/configs/{name}.py', 'bilinear')
    assert {arm.downsizer['type'] == 'FixedResizer' for arm in arms} == {True, False}
    for arm in arms:
        learned = any(parameter.requires_grad for parameter in build_resizer(arm.downsizer).parameters())
        assert learned == (arm.downsizer['type'] != 'FixedResizer')
        trained = learned and not arm.name.endswith('_untrained')
        # In these two the model is trained behind fixed ones, too.
        assert arm.train == (trained or name in ('_arms_finetuned', '_arms_head'))


@pytest.mark.parametrize(
    ('name', 'files'),
    [
        (
            '_arms_transfer',
            (
                '',
                '_balanced',
                '_distance_only',
                '_positions',
                '_positions_balanced',
                '_varied_images',
                '_any',
                '_sharp_area_any',
                '_fcn_positions',
                'camvid',
                'camvid_balanced',
                'camvid_wholly_balanced',
                '_det',
                '_paper',
                '_talebi',
            ),
        ),
        (
            '_arms_retrained',
            (
                '_balanced_short',
                '_balanced_middle',
                '_balanced',
                '_paper',
                '_positions',
                '_det',
                '_talebi',
                '_positions',
            ),
        ),
    ],
)
def test_the_arms_of_the_study_that_were_fitted_elsewhere_name_their_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, files: tuple[str, ...]
) -> None:
    monkeypatch.setenv('MMDOWNSIZE_FITTED', str(tmp_path))
    arms = load_arms([], ROOT / f'study/configs/{name}.py', 'bilinear')
    fixed, fitted = arms[:7], arms[7:]
    assert [arm.downsizer['pretrained'] for arm in fitted] == [
        f'{tmp_path}/{file if file.startswith("camvid") else "voc2012" + file}_{{seed}}.safetensors' for file in files
    ]
    assert all(arm.depends_on_seed for arm in fitted)
    assert {arm.downsizer['type'] for arm in fixed} == {'FixedResizer'}
    if name == '_arms_retrained':  # the model behind them is trained
        assert all(arm.train for arm in arms)
        assert [arm.name for arm in fitted if not arm.downsizer.get('frozen')] == ['positions_trained_on']
    else:
        assert not any(arm.train for arm in arms) and not any(arm.depends_on_seed for arm in fixed)


@pytest.mark.parametrize(('name', 'epochs'), [('short', 1), ('middle', 3), (None, 10)])
def test_a_schedule_of_the_study_ends_where_it_says(name: str | None, epochs: int) -> None:
    wanted = f'downsizenet_6x6_area_balanced_{name}' if name else 'downsizenet_6x6_area_balanced'
    arm = next(arm for arm in load_arms([], ROOT / 'study/configs/_arms.py', 'bilinear') if arm.name == wanted)
    cfg = config_of(Config.fromfile(ROOT / 'study/configs/voc2012_frozen_100.py'), arm, seed=0)
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[-1].end == epochs


def test_what_was_tried_against_overfitting_changes_what_it_says() -> None:
    arms = {arm.name: arm for arm in load_arms([], ROOT / 'study/configs/_arms.py', 'bilinear')}
    base = Config.fromfile(ROOT / 'study/configs/voc2012_frozen_100.py')
    cfg = config_of(base, arms['downsizenet_6x6_area_averaged_near'], seed=0)
    assert (cfg.param_scheduler[1].type, cfg.param_scheduler[1].eta_min) == ('PolyLR', base.optim_wrapper.optimizer.lr)
    assert (cfg.custom_hooks[1].type, cfg.custom_hooks[1].momentum) == ('EMAHook', 0.003)
    assert 'class_balance' not in cfg.model
    balanced = config_of(base, arms['downsizenet_6x6_area_balanced_near'], seed=0).model
    assert balanced.class_balance == 0.5
    for model in (cfg.model, balanced):
        assert tuple(model.data_preprocessor.train_scale_factor) == (0.28, 0.4)


@pytest.mark.parametrize(
    ('config', 'arms'),
    [('voc2012_shifted_100', '_arms'), ('camvid_shifted_108', '_arms'), ('voc2012_det_shifted_100', '_arms_det')],
)
def test_a_fit_in_several_positions_sees_none_that_it_is_tested_in_but_the_first(config: str, arms: str) -> None:
    base = Config.fromfile(ROOT / f'study/configs/{config}.py')
    assert base.train_dataloader.dataset.shifts == [(0, 0)]
    fits = {
        arm.name: config_of(base, arm, seed=0)
        for arm in load_arms([], ROOT / f'study/configs/{arms}.py', 'bilinear')
        if arm.name.endswith(('_positions', '_positions_once'))
    }
    assert 'downsizenet_6x6_area_positions' in fits
    for name, cfg in fits.items():
        positions = cfg.train_dataloader.dataset.shifts
        assert len(set(positions)) == 5
        assert not set(positions) & set(base.val_dataloader.dataset.shifts) - {(0, 0)}
        assert cfg.train_cfg.max_epochs * len(positions) == (5 if name.endswith('_once') else 10)
        assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[-1].end


def test_a_head_is_trained_as_before_and_tested_in_six_positions() -> None:
    shifted, base = (Config.fromfile(ROOT / f'study/configs/voc2012_head_{name}100.py') for name in ('shifted_', ''))
    for part in ('val_dataloader', 'test_dataloader'):
        dataset = shifted[part].dataset
        assert (dataset.type, len(set(dataset.shifts))) == ('mmdownsize.ShiftedDataset', 6)
        assert dataset.dataset == base[part].dataset
        shifted[part].dataset = base[part].dataset
    assert {**shifted, 'in_six_positions': None} == {**base, 'in_six_positions': None}


def test_the_rivals_are_fitted_as_the_recipe_is() -> None:
    base = Config.fromfile(ROOT / 'study/configs/camvid_shifted_108.py')
    fits = {}
    for arm in load_arms([], ROOT / 'study/configs/_arms.py', 'bilinear'):
        if arm.name.endswith(('_positions', '_positions_once')):
            fits[arm.name] = config_of(base, arm, seed=0).to_dict()
            fits[arm.name]['model']['data_preprocessor'].pop('downsizer')
    for start in ('area', 'bicubic'):
        for balanced, share in dict(balanced=0.5, balanced_1=1.0).items():
            assert fits[f'downsizenet_6x6_{start}_{balanced}_positions_once']['model'].pop('class_balance') == share
    rates = [fits[f'{name}_positions_once']['optim_wrapper'] for name in ('shipped', 'downsizenet_6x6_area')]
    assert rates[0].pop('paramwise_cfg')['custom_keys'] == {'data_preprocessor.downsizer': {'lr_mult': 1.0}}
    rates[0]['paramwise_cfg'] = rates[1]['paramwise_cfg']
    for name, fit in fits.items():
        ending = '_positions_once' if name.endswith('_once') else '_positions'
        assert fit == fits['downsizenet_6x6_area' + ending], name


def test_an_arm_of_the_starts_and_rates_is_what_its_name_says() -> None:
    arms = load_arms([], ROOT / 'study/configs/_arms_decay.py', 'bilinear')
    named = [(arm, re.fullmatch(r'((?:sharp_)?area)_(\d)_(\d)(?:_(\w+))?', arm.name)) for arm in arms]
    named = [(arm, match.groups()) for arm, match in named if match]  # the others are those of _arms.py
    assert len(named) == 18
    for arm, (start, rate, decay, ending) in named:
        cfg = config_of(
            Config.fromfile(ROOT / f'study/configs/voc2012_{"shifted" if ending else "frozen"}_100.py'), arm, seed=0
        )
        fusion = cfg.optim_wrapper.paramwise_cfg.custom_keys['data_preprocessor.downsizer.fusion']
        assert (fusion['lr_mult'], fusion['decay_mult']) == (float(rate), float(decay))
        assert cfg.model.data_preprocessor.downsizer.start == start
        epochs = 1 if ending else 4
        assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[-1].end == epochs
        assert len(cfg.train_dataloader.dataset.get('shifts', [(0, 0)])) == (5 if ending else 1)
        assert cfg.model.data_preprocessor.get('train_scale_factor') == ((0.3, 0.7) if ending == 'any' else None)


def rates_of(config: str, arms: str, name: str = 'downsizenet_6x6_area') -> tuple[Any, dict[int, float]]:
    """Return the model of a study with its downsizer, and the learning rates of its parameters, by id."""
    cfg = Config.fromfile(ROOT / f'study/configs/{config}.py')
    arm = next(arm for arm in load_arms([], ROOT / f'study/configs/{arms}.py', 'bilinear') if arm.name == name)
    cfg = config_of(cfg, arm, seed=0)
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    return model, {id(parameter): group['lr'] for group in groups for parameter in group['params']}


def test_a_downsizer_fitted_to_a_finished_model_learns_at_the_same_rates() -> None:
    model, rates = rates_of('voc2012_frozen_100', '_arms')
    downsizer = model.data_preprocessor.downsizer
    assert {rates[id(parameter)] for parameter in downsizer.fusion.parameters()} == {8e-3}
    assert {rates[id(parameter)] for parameter in downsizer.texture.parameters()} == {1e-3}


def test_a_downsizer_is_trained_with_the_head_alone_at_the_rates_of_a_fit() -> None:
    base = Config.fromfile(ROOT / 'study/configs/voc2012_head_shifted_100.py')
    arms = {arm.name: arm for arm in load_arms([], ROOT / 'study/configs/_arms_head.py', 'bilinear')}
    fixed, learned = (config_of(base, arms[name], seed=0) for name in ('sharp_area', 'downsizenet_6x6_sharp_area'))
    assert fixed.custom_hooks[0].parts == ['decode_head']
    assert learned.custom_hooks[0].parts == ['decode_head', 'data_preprocessor']
    assert learned.model.type == fixed.model.type == 'EncoderDecoder'
    model, rates = rates_of('voc2012_head_shifted_100', '_arms_head')
    downsizer = model.data_preprocessor.downsizer
    for part, rate in ((downsizer.fusion, 8e-3), (downsizer.texture, 1e-3), (model.decode_head, 1e-3)):
        assert {rates[id(parameter)] for parameter in part.parameters()} == {rate}


@pytest.mark.parametrize(
    ('config', 'arms'),
    [('voc2012_head_shifted_100', '_arms_head'), ('voc2012_finetuned_shifted_100', '_arms_finetuned')],
)
def test_a_slow_downsizer_learns_at_the_rate_of_the_head(config: str, arms: str) -> None:
    model, rates = rates_of(config, arms, 'downsizenet_6x6_sharp_area_slow')
    for part in (model.data_preprocessor.downsizer, model.decode_head):
        got = {rates[id(parameter)] for parameter in part.parameters()}
        assert got and all(rate == pytest.approx(1e-3) for rate in got)


def test_arms_that_vary_what_a_downsizer_is_made_of_vary_one_thing() -> None:
    arms = {arm.name: arm for arm in load_arms([], ROOT / 'study/configs/_arms.py', 'bilinear')}
    recipe = arms['downsizenet_6x6_area_positions_once']
    varied = {}
    shapes = ('2x2', '4x4', '8x8', '1_conv', '4_convs', '8_channels', '32_channels', 'softmax', 'distance_only')
    starts = ('random_start', 'bilinear_start', 'antialiased_start', 'sharp_area_start')
    for name in shapes + starts:
        arm = arms[f'downsizenet_{name}_positions_once']
        assert arm.options == recipe.options
        changed = {key: value for key, value in arm.downsizer.items() if recipe.downsizer.get(key) != value}
        assert len(changed) == 1 and recipe.downsizer.keys() <= arm.downsizer.keys()
        varied[name] = changed
    assert varied['8x8'] == {'neighbors': 8} and varied['4_convs'] == {'num_convs': 4}
    assert varied['antialiased_start'] == {'start': 'triangle'}
    assert len({str(changed) for changed in varied.values()}) == len(shapes + starts)


@pytest.mark.parametrize(
    ('real', 'arms', 'suffix', 'hw'),
    [
        (ROOT / 'study/configs/voc2012_shifted_100.py', '_arms', '', (300, 300)),
        (ROOT / 'study/configs/camvid_shifted_108.py', '_arms', '_camvid', (360, 480)),
        (ROOT / 'study/configs/voc2012_det_shifted_100.py', '_arms_det', '', (300, 300)),
    ],
    indirect=['real'],
    ids=['voc2012', 'camvid', 'voc2012_det'],
)
def test_varied_images_are_other_ones_each_time_and_nothing_is_remembered_of_them(
    real: Config, arms: str, suffix: str, hw: tuple[int, int]
) -> None:
    name = f'downsizenet_6x6_area_varied_images{suffix}'
    (arm,) = (arm for arm in load_arms([], ROOT / f'study/configs/{arms}.py', 'bilinear') if arm.name == name)
    cfg = config_of(real, arm, seed=0)
    assert not {'memory_mb', 'memory_folder'} & cfg.model.keys()
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[1].end
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    random.seed(0)
    np.random.seed(0)
    shown = [dataset[1]['inputs'] for _ in range(4)]
    assert {image.shape for image in shown} == {(3, *hw)}
    for first, again in combinations(shown, 2):
        assert not torch.equal(first, again) and not torch.equal(first, again.flip(2))


@pytest.mark.parametrize(
    ('arms', 'name', 'epochs'),
    [
        ('_arms', 'downsizenet_6x6_area_varied_images', 5),
        ('_arms', 'downsizenet_6x6_area_varied_images_camvid', 14),
        ('_arms_det', 'downsizenet_6x6_area_varied_images', 5),
    ],
)
def test_images_that_never_recur_are_as_many_as_those_in_five_positions(arms: str, name: str, epochs: int) -> None:
    (arm,) = [arm for arm in load_arms([], ROOT / f'study/configs/{arms}.py', None) if arm.name == name]
    ends = ('train_cfg.max_epochs', 'train_cfg.val_interval', 'param_scheduler.1.end')
    assert [arm.options[end] for end in ends] == [epochs] * 3


def test_the_moved_kernels_are_the_fixed_ones_and_lie_elsewhere() -> None:
    fixed = {arm.name: arm for arm in load_arms([], ROOT / 'study/configs/_arms.py', 'bilinear')}
    moved = load_arms([], ROOT / 'study/configs/_arms_moved.py', None)
    assert len(moved) == len({tuple(arm.downsizer.items()) for arm in moved}) == 4 * 7
    for arm in moved:
        name, _, by = arm.name.partition('_moved_')
        assert arm == replace(
            fixed[name], name=arm.name, downsizer={**fixed[name].downsizer, 'shift': (int(by or 0),) * 2}
        )


def test_a_fine_tuned_downsizer_learns_fast_where_it_fuses_and_as_the_head_where_it_convolves() -> None:
    model, rates = rates_of('camvid_finetuned_108', '_arms_finetuned')
    downsizer = model.data_preprocessor.downsizer
    parts = ((downsizer.fusion, 8e-3), (downsizer.texture, 1e-3), (model.decode_head, 1e-3), (model.backbone, 3e-4))
    for part, rate in parts:
        got = {rates[id(parameter)] for parameter in part.parameters() if parameter.requires_grad}
        assert got and all(r == pytest.approx(rate) for r in got)
