"""What a training says before it begins."""

import warnings

import pytest
from mmengine.config import Config

from mmdownsize.launching.training import _is_first, warn_of_one_size

DRAWN = dict(type='RandomChoiceResize', scales=[(80, 60), (100, 75)])
FIXED = dict(type='Resize', scale=(100, 76), keep_ratio=True)


def config(*train_steps, model=True, **settings):
    preprocessor = dict(type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), **settings)
    return Config(
        dict(
            default_scope='mmdet',
            launcher='none',
            train_dataloader=dict(dataset=dict(dataset=dict(pipeline=list(train_steps)))),
            test_dataloader=dict(dataset=dict(pipeline=[FIXED])),
            **(dict(model=dict(data_preprocessor=preprocessor)) if model else dict(data_preprocessor=preprocessor)),
        )
    )


@pytest.mark.parametrize(
    ('cfg', 'way_out'),
    [
        (config(DRAWN, scale=(50, 38), keep_ratio=True), r'train_scale_factor=\(0\.5, 0\.5\)'),
        (config(DRAWN, scale=(50, 50)), 'scale_factor in place of scale'),
        (config(DRAWN, scale=32, model=False), 'scale_factor in place of scale'),
    ],
)
def test_drawn_sizes_before_one_target_are_warned_of(cfg, way_out):
    with pytest.warns(match=rf'train_dataloader.*RandomChoiceResize draws .* brings them all to one: say {way_out}'):
        warn_of_one_size(cfg)


@pytest.mark.parametrize(
    'cfg',
    [
        config(DRAWN, scale_factor=0.5),
        config(DRAWN, scale=(50, 38), train_scale_factor=(0.5, 0.5)),
        config(FIXED, scale=(50, 38)),
        config(DRAWN, FIXED, scale=(50, 38)),
        Config(dict(model=dict(data_preprocessor=dict(type='DetDataPreprocessor')), launcher='none')),
    ],
)
def test_other_configs_are_not_warned_of(cfg):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warn_of_one_size(cfg)


@pytest.mark.parametrize('name', ['RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'])
def test_of_a_launcher_s_processes_one_is_the_first(name, monkeypatch):
    for other in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(other, raising=False)
    cfg = config()
    cfg.launcher = 'pytorch'
    monkeypatch.setenv(name, '0')
    assert _is_first(cfg)
    monkeypatch.setenv(name, '1')
    assert not _is_first(cfg)
    cfg.launcher = 'none'
    assert _is_first(cfg)
