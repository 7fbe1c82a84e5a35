"""How configs find the preprocessors and their downsizers, also where only one of mmdet and mmseg is installed."""

import subprocess
import sys
import textwrap
from importlib.metadata import packages_distributions
from importlib.util import find_spec

import mmengine
import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer


@pytest.mark.parametrize('name', ['DetDownsizePreprocessor', 'SegDownsizePreprocessor'])
@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmengine', 'mmdownsize', None])
def test_the_scoped_name_is_found_from_every_scope_and_so_is_the_bare_downsizer(name, scope):
    with DefaultScope.overwrite_default_scope(scope):
        built = mmengine.registry.MODELS.build(
            dict(type=f'mmdownsize.{name}', downsizer=dict(type='DownsizeNet', channels=4), scale_factor=0.5)
        )
    assert (type(built).__module__.split('.')[0], type(built).__name__) == ('mmdownsize', name)
    assert type(built.downsizer) is DownsizeNet
    assert built.downsizer.channels == 4


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', None])
@pytest.mark.parametrize('kind', ['FixedResizer', 'mmdownsize.FixedResizer', FixedResizer])
def test_a_downsizer_is_a_name_a_scoped_name_or_a_class(scope, kind):
    with DefaultScope.overwrite_default_scope(scope):
        built = build_resizer(dict(type=kind, kernel='area'))
    assert type(built) is FixedResizer
    assert built.kernel == 'area'


def test_a_config_may_be_built_twice():
    config = dict(type='DownsizeNet', channels=4)
    assert build_resizer(config) is not build_resizer(config)
    assert config == dict(type='DownsizeNet', channels=4)


def test_the_users_own_resizer_is_registered_or_given_as_a_module():
    @MODELS.register_module(name='HalfForTheTest', force=True)
    class Half(nn.Module):
        def forward(self, images, dst_hw):
            return nn.functional.adaptive_avg_pool2d(images, dst_hw)

    try:
        assert type(build_resizer(dict(type='HalfForTheTest'))) is Half
        module = Half()
        assert build_resizer(module) is module
        preprocessor = MODELS.build(dict(type='mmdownsize.DetDownsizePreprocessor', downsizer=module, scale_factor=0.5))
        preprocessor.init_weights()
        image = torch.rand(3, 8, 6) * 255
        out = preprocessor(dict(inputs=[image]))['inputs']
        assert torch.allclose(out[0], nn.functional.avg_pool2d(image, 2))
    finally:
        MODELS.module_dict.pop('HalfForTheTest')


WITHOUT = """
    import sys

    class Hidden:
        '''A finder that no longer finds some packages.'''

        def __init__(self, finder):
            self.finder = finder

        def find_spec(self, name, *args, **kwargs):
            return None if name.split('.')[0] in HIDDEN else self.finder.find_spec(name, *args, **kwargs)

        def __getattr__(self, name):
            return getattr(self.finder, name)

    sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
    import torch
    MODELS = __import__(REGISTRY, fromlist=['MODELS']).MODELS

    def build(kind):
        return MODELS.build(dict(type=f'mmdownsize.{kind}', downsizer=dict(type='DownsizeNet'), scale_factor=0.5))

    out = build(PRESENT)(dict(inputs=[torch.zeros(3, 8, 12, dtype=torch.uint8)]))
    assert out['inputs'].shape == (1, 3, 4, 6)
    try:
        build(ABSENT)
    except ImportError as error:
        print('refused:', error)
    assert not HIDDEN & sys.modules.keys()
"""


REQUIREMENTS = {  # by the distribution that mmengine comes from
    'mmengine': dict(mmdet='mmdet==3.3.0', mmseg='mmsegmentation==1.2.2'),
    'onedl-mmengine': dict(mmdet='onedl-mmdetection==3.5.1', mmseg='onedl-mmsegmentation==1.4.2'),
}


@pytest.mark.parametrize(
    ('hidden', 'needed', 'present', 'absent', 'registry'),
    [
        ('mmseg', 'mmdet', 'DetDownsizePreprocessor', 'SegDownsizePreprocessor', 'mmengine.registry'),
        ('mmdet', 'mmseg', 'SegDownsizePreprocessor', 'DetDownsizePreprocessor', 'mmdownsize.registry'),
    ],
)
def test_each_task_works_without_the_other_package_and_names_its_own_if_missing(
    hidden, needed, present, absent, registry
):
    pytest.importorskip(needed)
    (stack,) = set(packages_distributions()['mmengine'])
    requirement = REQUIREMENTS[stack][hidden]
    settings = f'HIDDEN, PRESENT, ABSENT, REGISTRY = {{{hidden!r}}}, {present!r}, {absent!r}, {registry!r}\n'
    script = settings + textwrap.dedent(WITHOUT)
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f'refused: {absent} needs {hidden}, which is not installed: pip install {requirement}' in done.stdout


def test_the_registry_alone_imports_neither_mmdet_nor_mmseg():
    script = "import sys, mmdownsize.registry\nassert not {'mmdet', 'mmseg', 'mmcv'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'build',
    [
        pytest.param(
            lambda: mmengine.registry.MODELS.build(dict(type='mmdownsize.DetDownsizePreprocessor')),
            marks=pytest.mark.skipif(find_spec('mmdet') is None, reason='mmdet is not installed'),
        ),
        lambda: build_resizer(dict(type='EfficientNetLite')),
    ],
    ids=['preprocessor', 'downsizer'],
)
def test_an_import_error_from_inside_an_installed_package_is_not_hidden(monkeypatch, build):
    def broken(name):
        raise ImportError('libGL.so.1: cannot open shared object file')

    monkeypatch.setattr('mmdownsize.registry.import_module', broken)
    with pytest.raises(ImportError, match=r'libGL\.so\.1'):
        build()
