"""Arms by name and from a file, and the config of an arm."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmdownsize.comparing.arms import Arm, check_replaceable, config_of, load_arms
from mmdownsize.refusal import Refusal
from tests.tools.small_training import write_config


def test_arms_by_name_and_from_a_file(tmp_path):
    path = tmp_path / 'arms.py'
    path.write_text(
        "arms = dict(mine=dict(downsizer=dict(type='DownsizeNet'), options={'a.b': 1}, equal_cost_to='area'))\n"
    )
    area, mine = load_arms(['area'], path, 'area')
    assert area.downsizer == {'type': 'FixedResizer', 'kernel': 'area'}
    assert (mine.name, mine.options, mine.equal_cost_to) == ('mine', {'a.b': 1}, 'area')
    (signed,) = load_arms(['downsizenet_6x6_signed'], None, 'downsizenet_6x6_signed')
    cfg = Config(dict(model=dict(data_preprocessor=dict()), optim_wrapper=dict(), randomness=dict(seed=0)))
    rates = config_of(cfg, signed, 1).optim_wrapper.paramwise_cfg.custom_keys
    assert rates['data_preprocessor.downsizer.fusion'].lr_mult == 8.0 and not area.options


@pytest.mark.parametrize(
    ('names', 'text', 'baseline', 'message'),
    [
        (['bilineer'], None, 'bilinear', "unknown resizer 'bilineer': did you mean 'bilinear'"),
        (['area'], None, 'bilinear', "no arm 'bilinear' among area"),
        (['area', 'area'], None, 'area', 'named twice'),
        ([], None, 'area', 'no arms'),
        (
            [],
            'arms = dict(a=dict(kernel=1))',
            'a',
            r"arm 'a' has downsizer, options, equal_cost_to and train, not \['kernel'\]",
        ),
        ([], 'arms = dict(a=dict(options=dict()))', 'a', 'not no downsizer'),
        ([], "arms = dict(a=dict(downsizer='net'))", 'a', "arm 'a': downsizer must be a dict, got 'net'"),
        ([], 'arms = dict(a=dict(downsizer=dict(), options=3))', 'a', "arm 'a': options must be a dict, got 3"),
        ([], "arms = dict(a=dict(downsizer=dict(), equal_cost_to='b'))", 'a', "no arm 'b' among a"),
    ],
)
def test_bad_arms_are_refused(names, text, baseline, message, tmp_path):
    path = None
    if text is not None:
        path = tmp_path / 'arms.py'
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_arms(names, path, baseline)


def test_a_downsizer_is_replaced_and_not_merged(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {'optim_wrapper.optimizer.lr': 0.5})
    own = config_of(cfg, arm, 3)
    assert own.model.data_preprocessor.downsizer == arm.downsizer
    assert (own.optim_wrapper.optimizer.lr, own.randomness.seed) == (0.5, 3)
    assert cfg.model.data_preprocessor.downsizer.type == 'DownsizeNet'  # the original is untouched


def test_an_option_without_a_place_is_refused_with_its_arm():
    cfg = Config(dict(model=dict(type='A', data_preprocessor=dict()), randomness=dict(seed=0)))
    with pytest.raises(Refusal, match=r"arm 'a': the config has no place for \{'model\.type\.x': 1\}"):
        config_of(cfg, Arm('a', dict(type='FixedResizer'), {'model.type.x': 1}), 0)


@pytest.mark.parametrize('cfg', [dict(), dict(model=None), dict(model=dict(data_preprocessor=None))])
def test_a_config_without_a_downsizer_is_refused(cfg):
    with pytest.raises(Refusal, match=r'c\.py has no model\.data_preprocessor\.downsizer to replace'):
        check_replaceable(Config(cfg), Path('c.py'))


def test_arms_take_the_channels_of_the_model():
    model = dict(type='A', backbone=dict(in_channels=4), data_preprocessor=dict(downsizer=dict(type='FixedResizer')))
    cfg = Config(dict(model=model, randomness=dict(seed=0)))
    arms = [Arm('net', dict(type='DownsizeNet'), {}), Arm('area', dict(type='FixedResizer', kernel='area'), {})]
    found = [config_of(cfg, arm, 0).model.data_preprocessor.downsizer for arm in arms]
    assert found == [dict(type='DownsizeNet', in_channels=4), arms[1].downsizer]
