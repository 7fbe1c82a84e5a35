"""The recipe of a fit is what the study has measured."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.fitting.recipe import BATCH, FRAGMENT

ROOT = Path(__file__).parents[2]
RECIPE = Config.fromfile(FRAGMENT)


@pytest.mark.parametrize(
    ('config', 'arms', 'name', 'steps'),
    [
        ('voc2012_shifted_100', '_arms', 'downsizenet_6x6_area_balanced_1_positions_once', 'fit_steps'),
        ('voc2012_det_shifted_100', '_arms_det', 'downsizenet_6x6_area', 'fit_steps_with_labels'),
    ],
)
def test_the_recipe_is_what_the_study_has_measured(config: str, arms: str, name: str, steps: str) -> None:
    from mmdownsize.comparing.arms import config_of, load_arms

    arm = next(arm for arm in load_arms([], ROOT / f'study/configs/{arms}.py', 'bilinear') if arm.name == name)
    cfg = config_of(Config.fromfile(ROOT / f'study/configs/{config}.py'), arm, seed=0)
    fit = RECIPE.fit
    for key in ('type', 'optimizer', 'clip_grad', 'paramwise_cfg'):
        ours, theirs = (copy.deepcopy(wrapper[key]) for wrapper in (fit.optim_wrapper, cfg.optim_wrapper))
        if key == 'paramwise_cfg':
            ours, theirs = ours.custom_keys, theirs.custom_keys
        assert ours == theirs, key
    assert fit.custom_hooks == cfg.custom_hooks
    assert cfg.model.data_preprocessor.downsizer == RECIPE.downsizer
    for ours, theirs in zip(fit.param_scheduler, cfg.param_scheduler, strict=True):
        same = {'begin', 'type', 'start_factor', 'power', 'eta_min'} & theirs.keys()
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    assert cfg.param_scheduler[0].end == fit.param_scheduler[0].end
    assert cfg.train_dataloader.batch_size == BATCH
    if steps == 'fit_steps':
        assert cfg.train_dataloader.dataset.shifts == RECIPE.fit_positions
        wanted = {
            key: value for key, value in RECIPE.fit_without_labels.items() if not key.startswith('beside')
        }  # they only log
        assert {key: cfg.model[key] for key in wanted} == wanted
    images = {'voc2012_shifted_100': 5 * 1050, 'voc2012_det_shifted_100': 2 * 1045}[config]
    assert RECIPE[steps] == pytest.approx(images / BATCH, rel=0.02)
