"""The settings of a downsizer in the config that a checkpoint holds, which is not run."""

import pytest
from mmengine.config import Config

from mmdownsize.deploy.extract import settings_in, settings_of
from mmdownsize.refusal import Refusal

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
