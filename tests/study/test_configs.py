"""The configs and arms of the study: each builds, and is what its name says."""

import random
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.comparing.arms import config_of, load_arms
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.registry import DATASETS
from tests.configs.catalogue import ROOT, load, stem, step_and_prediction

STUDY = ROOT / 'study' / 'configs'
CONFIGS = sorted(STUDY.glob('[!_]*.py'))


def arms_of(name: str) -> dict[str, Any]:
    return {arm.name: arm for arm in load_arms([], STUDY / f'{name}.py', 'bilinear')}


def config(name: str) -> Config:
    return Config.fromfile(STUDY / f'{name}.py')


def test_there_are_configs() -> None:
    assert len(CONFIGS) >= 20


@pytest.mark.parametrize('path', CONFIGS, ids=stem)
def test_a_config_builds_its_model_with_a_downsizer_unless_it_is_of_full_size(path: Path) -> None:
    cfg = load(path)
    model = MODELS.build(cfg.model)
    preprocessor = cfg.model.data_preprocessor
    full = path.stem.endswith('_full')
    assert preprocessor.type.startswith('mmdownsize.') == ('downsizer' in preprocessor) == (not full)
    assert hasattr(model.data_preprocessor, 'downsizer') == (not full)
    assert {'mean', 'std'} <= preprocessor.keys()
    assert '/work/' not in path.read_text()


@pytest.mark.parametrize('real', CONFIGS, ids=stem, indirect=True)
def test_a_config_takes_a_step_on_real_images(real: Config) -> None:
    losses, predicted = step_and_prediction(real)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert len(predicted) == 1


@pytest.mark.parametrize('name', ['_arms', '_arms_det', '_arms_finetuned', '_arms_head'])
def test_arms_build(name: str) -> None:
    arms = arms_of(name).values()
    assert {arm.downsizer['type'] == 'FixedResizer' for arm in arms} == {True, False}
    for arm in arms:
        learned = any(parameter.requires_grad for parameter in build_resizer(arm.downsizer).parameters())
        assert learned == (arm.downsizer['type'] != 'FixedResizer')
        trained = learned and not arm.name.endswith('_untrained')
        # In these two files the model is trained behind fixed resizers too.
        assert arm.train == (trained or name in ('_arms_finetuned', '_arms_head'))


@pytest.mark.parametrize(
    ('name', 'files'),
    [
        ('_arms_transfer', ('voc2012', 'voc2012_distance_only', 'voc2012_positions', 'camvid', 'voc2012_det')),
        ('_arms_retrained', ('voc2012_balanced', 'voc2012_det')),
    ],
)
def test_arms_that_were_fitted_elsewhere_name_their_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, files: tuple[str, ...]
) -> None:
    kept = [arm.downsizer.get('pretrained') for arm in arms_of(name).values()][7:]
    assert [path.rpartition('/') for path in kept] == [
        ('study/fitted', '/', f'{file}_{{seed}}.safetensors') for file in files
    ]
    # The shipped downsizer is one of voc2012_{seed}; of the others all are kept.
    assert all((ROOT / path.format(seed=4)).is_file() for path in kept if '/voc2012_{' not in path)
    monkeypatch.setenv('MMDOWNSIZE_FITTED', str(tmp_path))
    arms = list(arms_of(name).values())
    fixed, fitted = arms[:7], arms[7:]
    assert [arm.downsizer['pretrained'] for arm in fitted] == [
        f'{tmp_path}/{file}_{{seed}}.safetensors' for file in files
    ]
    assert all(arm.depends_on_seed for arm in fitted)
    assert {arm.downsizer['type'] for arm in fixed} == {'FixedResizer'}
    if name == '_arms_retrained':  # the model behind them is trained, they are not
        assert all(arm.train for arm in arms) and all(arm.downsizer['frozen'] for arm in fitted)
    else:
        assert not any(arm.train for arm in arms) and not any(arm.depends_on_seed for arm in fixed)


def test_the_schedule_of_a_balanced_fit_ends_where_it_says() -> None:
    cfg = config_of(config('voc2012_frozen_100'), arms_of('_arms')['downsizenet_6x6_area_balanced'], seed=0)
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[-1].end == 10
    assert cfg.model.class_balance == 0.5


@pytest.mark.parametrize(
    'name',
    [
        'voc2012_shifted_100',
        'voc2012_shifted_160',
        'voc2012_fcn_shifted_100',
        'camvid_shifted_108',
        'camvid_shifted_192',
    ],
)
def test_a_fit_in_several_positions_sees_none_that_it_is_tested_in_but_the_first(name: str) -> None:
    base = config(name)
    assert base.train_dataloader.dataset.shifts == [(0, 0)]
    fits = {
        arm.name: config_of(base, arm, seed=0)
        for arm in arms_of('_arms').values()
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
    shifted, base = (config(f'voc2012_head_{name}100') for name in ('shifted_', ''))
    for part in ('val_dataloader', 'test_dataloader'):
        dataset = shifted[part].dataset
        assert (dataset.type, len(set(dataset.shifts))) == ('mmdownsize.ShiftedDataset', 6)
        assert dataset.dataset == base[part].dataset
        shifted[part].dataset = base[part].dataset
    assert {**shifted, 'in_six_positions': None} == {**base, 'in_six_positions': None}


def test_the_rivals_are_fitted_as_the_recipe_is() -> None:
    base = config('camvid_shifted_108')
    fits = {}
    for arm in arms_of('_arms').values():
        if arm.name.endswith(('_positions', '_positions_once')):
            fits[arm.name] = config_of(base, arm, seed=0).to_dict()
            fits[arm.name]['model']['data_preprocessor'].pop('downsizer')
    assert fits['downsizenet_6x6_area_balanced_1_positions_once']['model'].pop('class_balance') == 1.0
    for name, fit in fits.items():
        ending = '_positions_once' if name.endswith('_once') else '_positions'
        assert fit == fits['downsizenet_6x6_area' + ending], name


def rates_of(name: str, arms: str, arm: str = 'downsizenet_6x6_sharp_area') -> tuple[Any, dict[int, float]]:
    """Return the model of a study with its downsizer, and the learning rates of its parameters, by id."""
    cfg = config_of(config(name), arms_of(arms)[arm], seed=0)
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    return model, {id(parameter): group['lr'] for group in groups for parameter in group['params']}


def test_a_downsizer_fitted_to_a_finished_model_learns_at_the_same_rates() -> None:
    model, rates = rates_of('voc2012_frozen_100', '_arms', 'downsizenet_6x6_area')
    downsizer = model.data_preprocessor.downsizer
    assert {rates[id(parameter)] for parameter in downsizer.fusion.parameters()} == {8e-3}
    assert {rates[id(parameter)] for parameter in downsizer.texture.parameters()} == {1e-3}


def test_a_downsizer_is_trained_with_the_head_alone_at_the_rates_of_a_fit() -> None:
    base = config('voc2012_head_shifted_100')
    arms = arms_of('_arms_head')
    fixed, learned = (config_of(base, arms[name], seed=0) for name in ('sharp_area', 'downsizenet_6x6_sharp_area'))
    assert fixed.custom_hooks[0].parts == ['decode_head']
    assert learned.custom_hooks[0].parts == ['decode_head', 'data_preprocessor']
    assert learned.model.type == fixed.model.type == 'EncoderDecoder'
    model, rates = rates_of('voc2012_head_shifted_100', '_arms_head')
    downsizer = model.data_preprocessor.downsizer
    for part, rate in ((downsizer.fusion, 8e-3), (downsizer.texture, 1e-3), (model.decode_head, 1e-3)):
        assert {rates[id(parameter)] for parameter in part.parameters()} == {rate}


@pytest.mark.parametrize(
    ('name', 'arms'),
    [('voc2012_head_shifted_100', '_arms_head'), ('voc2012_finetuned_shifted_100', '_arms_finetuned')],
)
def test_a_slow_downsizer_learns_at_the_rate_of_the_head(name: str, arms: str) -> None:
    model, rates = rates_of(name, arms, 'downsizenet_6x6_sharp_area_slow')
    for part in (model.data_preprocessor.downsizer, model.decode_head):
        got = {rates[id(parameter)] for parameter in part.parameters()}
        assert got and all(rate == pytest.approx(1e-3) for rate in got)


def test_a_fine_tuned_downsizer_learns_fast_where_it_fuses_and_as_the_head_where_it_convolves() -> None:
    model, rates = rates_of('voc2012_finetuned_shifted_100', '_arms_finetuned')
    downsizer = model.data_preprocessor.downsizer
    parts = ((downsizer.fusion, 8e-3), (downsizer.texture, 1e-3), (model.decode_head, 1e-3), (model.backbone, 3e-4))
    for part, rate in parts:
        got = {rates[id(parameter)] for parameter in part.parameters() if parameter.requires_grad}
        assert got and all(r == pytest.approx(rate) for r in got)


def test_arms_that_vary_what_a_downsizer_is_made_of_vary_one_thing() -> None:
    arms = arms_of('_arms')
    recipe = arms['downsizenet_6x6_area_positions_once']
    varied = {}
    shapes = ('2x2', '4x4', '8x8', '1_conv', '4_convs', 'softmax')
    for name in shapes:
        arm = arms[f'downsizenet_{name}_positions_once']
        assert arm.options == recipe.options
        changed = {key: value for key, value in arm.downsizer.items() if recipe.downsizer.get(key) != value}
        assert len(changed) == 1 and recipe.downsizer.keys() <= arm.downsizer.keys()
        varied[name] = changed
    assert varied['8x8'] == {'neighbors': 8} and varied['4_convs'] == {'num_convs': 4}
    assert len({str(changed) for changed in varied.values()}) == len(shapes)


@pytest.mark.parametrize('real', [STUDY / 'voc2012_shifted_100.py'], indirect=True, ids=stem)
def test_varied_images_are_other_ones_each_time_and_nothing_is_remembered_of_them(real: Config) -> None:
    cfg = config_of(real, arms_of('_arms')['downsizenet_6x6_area_varied_images'], seed=0)
    # As many images as one epoch of five positions.
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == cfg.param_scheduler[1].end == 5
    assert not {'memory_mb', 'memory_folder'} & cfg.model.keys()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    random.seed(0)
    np.random.seed(0)
    shown = [dataset[1]['inputs'] for _ in range(4)]
    assert {image.shape for image in shown} == {(3, 300, 300)}
    for first, again in combinations(shown, 2):
        assert not torch.equal(first, again) and not torch.equal(first, again.flip(2))
