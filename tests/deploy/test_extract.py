"""The settings of a downsizer in the config that a checkpoint holds, which is not run."""

import pytest
import torch
from mmengine.config import Config

from mmdownsize.deploy.extract import extract, settings_in, settings_of
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import ImportanceResizer

SETTINGS = dict(type='DownsizeNet', neighbors=4, shift=(1, -2), init_cfg=[dict(type='Normal', std=0.1)], frozen=None)


def test_settings_are_read_as_mmengine_dumps_them(tmp_path):
    cfg = Config(dict(model=dict(data_preprocessor=dict(downsizer=SETTINGS))))
    assert settings_of(cfg.pretty_text) == SETTINGS
    (tmp_path / 'config.py').write_text(cfg.pretty_text)
    assert settings_in(tmp_path / 'config.py') == SETTINGS


@pytest.mark.parametrize(
    'downsizer', ["__import__('os').system('exit')", 'dict(**open("/"))', 'dict(a=1 + f())', "'name'"]
)
def test_what_would_have_to_run_is_refused(downsizer):
    with pytest.raises(Refusal, match='with --config'):
        settings_of(f'model = dict(data_preprocessor=dict(downsizer={downsizer}))')


@pytest.mark.parametrize('text', ['', 'model = 3', 'model = dict(data_preprocessor=dict())'])
def test_a_config_without_settings_is_refused(text, tmp_path):
    (tmp_path / 'config.py').write_text(text)
    with pytest.raises(Refusal, match=r'model.data_preprocessor.downsizer=None: a config is needed'):
        settings_in(tmp_path / 'config.py')


def test_an_importance_is_taken_out_of_a_checkpoint():
    settings = dict(num_convs=2, dilation=2, start='darkest')
    trained = ImportanceResizer(**settings)
    torch.nn.init.normal_(trained.score.weight)
    state = {f'data_preprocessor.downsizer.{name}': value for name, value in trained.state_dict().items()}
    found = extract(dict(state_dict=state), dict(type='ImportanceResizer', frozen=True, **settings))
    assert found.arguments() == trained.arguments()
    images = 255 * torch.rand(1, 3, 20, 30)
    assert torch.equal(found(images, (5, 7)), trained(images, (5, 7)))
    with pytest.raises(Refusal, match=r'texture\.1\.bias'):
        extract(dict(state_dict=state), dict(type='ImportanceResizer'))


@pytest.mark.parametrize(
    'model',
    [
        dict(data_preprocessor=dict(type='A', data_preprocessor=dict(type='B', downsizer=SETTINGS))),
        dict(
            type='C',
            backbone=dict(downsizer=dict(type='D')),
            architecture=dict(data_preprocessor=dict(downsizer=SETTINGS)),
        ),
    ],
)
def test_settings_inside_another_preprocessor_or_model(model):
    assert settings_of(Config(dict(model=model)).pretty_text) == SETTINGS


def test_settings_of_a_preprocessor_beside_the_model():
    cfg = Config(dict(model=dict(type='A'), data_preprocessor=dict(downsizer=SETTINGS)))
    assert settings_of(cfg.pretty_text) == SETTINGS


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('model = open("x")', r'is no dict'),
        ('model = dict(data_preprocessor=open("x"))', 'is no dict'),
        ('model = dict(data_preprocessor=dict())', "KeyError: 'downsizer'"),
        ('model = dict()', "KeyError: 'data_preprocessor'"),
        ('', "KeyError: 'model'"),
    ],
)
def test_what_is_wrong_with_a_config_is_said(text, reason):
    with pytest.raises(Refusal, match=f'{reason}.*with --config'):
        settings_of(text)
