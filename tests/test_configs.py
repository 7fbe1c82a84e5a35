"""Reading configs: names of shipped ones, fragments, and models without downloads."""

from pathlib import Path

import pytest
from mmengine.hub import get_config

from mmdownsize import configs
from mmdownsize.configs import (
    FRAGMENTS,
    channels_of,
    config_file,
    preprocessor_settings,
    read_config,
    read_fragment,
    read_named_config,
    without_downloads,
)
from mmdownsize.refusal import Refusal


def test_every_fragment_is_read_with_its_rates() -> None:
    names = [path.stem for path in FRAGMENTS.glob('*.py')]
    found = {name: read_fragment(name) for name in names}
    assert all(downsizer['type'] for downsizer, _ in found.values())
    assert found['area'] == (dict(type='FixedResizer', kernel='area'), {})
    assert set(found['downsizenet_6x6_signed'][1]) == {
        f'data_preprocessor.downsizer.{part}' for part in ('fusion', 'texture')
    }
    for name in ('importance', 'importance_2-convs', 'importance_lanczos'):
        assert set(found[name][1]) == {f'data_preprocessor.downsizer.{part}' for part in ('score', 'tone', 'texture')}


def test_a_config_of_a_package_is_named_as_base_names_it() -> None:
    pytest.importorskip('mmdet')
    name = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
    cfg, base = read_named_config(name)
    assert cfg.model.type == 'RetinaNet' and base == name
    with pytest.raises(Refusal, match=r'no config mmdet::no/such\.py'):
        read_named_config('mmdet::no/such.py')


@pytest.mark.parametrize(
    'name', ['mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', 'mmseg::_base_/models/fcn_r50-d8.py']
)
def test_a_name_is_the_config_that_mmengine_finds(name: str) -> None:
    pytest.importorskip(name.partition(':')[0])
    found = read_config(name, {'model.type': 'Mine'})
    assert found.model.pop('type') == 'Mine'
    wanted = get_config(name)
    wanted.model.pop('type')
    assert found.to_dict() == wanted.to_dict() and found.filename == wanted.filename


def test_configs_of_a_clone_have_names_too(tmp_path: Path) -> None:
    assert config_file('mmdownsize::demo/texture_bilinear.py') == configs.shipped('demo/texture_bilinear.py')
    own = tmp_path / 'mine.py'
    own.touch()
    assert config_file(own) == config_file(str(own)) == own


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere.py', 'no such config: nowhere.py'),
        ('mmdownsize::demo/texture_bilinaer.py', 'did you mean mmdownsize::demo/texture_bilinear.py?'),
        (
            'mmdownsize::texture_bilinear.py',
            'did you mean mmdownsize::demo/texture_bilinear.py?',
        ),  # its folder is missing
        ('mmdownsize::demo/texture_bilinear', 'did you mean mmdownsize::demo/texture_bilinear.py?'),
        ('mmdownsize::zzzzzz', 'mmdownsize has no such file, see '),
        ('mmdownsize::', 'mmdownsize has no such file, see '),
        ('mmdownsize::demo', 'no config mmdownsize::demo: '),  # a folder
        ('mmdownsize::../setup.py', 'mmdownsize has no such file, see '),
        ('numpy::a.py', 'numpy is not installed, or ships no configs'),
        ('json::a.py', 'json is not installed, or ships no configs'),
        ('no_such_package::a.py', 'no_such_package is not installed, or ships no configs'),
        ('../x::a.py', '../x is not installed, or ships no configs'),
        ('::a.py', 'no config ::a.py: '),
        ('mmdownsize::a::b.py', 'mmdownsize has no such file, see '),
    ],
)
def test_a_config_that_is_not_there_is_named_with_what_comes_close(name: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        config_file(name)
    assert message in str(refused.value) and name in str(refused.value) and '\n' not in str(refused.value)


def test_no_pretrained_weights_are_looked_for_wherever_they_are_named() -> None:
    normal = dict(type='Normal', layer='Conv2d')
    model = dict(
        backbone=dict(type='ResNet', init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
        neck=dict(type='PVT', init_cfg=dict(checkpoint='https://example.org/pvt.pth')),
        heads=[dict(init_cfg=[normal, dict(type='Pretrained', checkpoint='head.pth')]), dict(init_cfg=normal)],
        image_encoder=dict(pretrained='clip.pth'),
        teacher_ckpt='teacher.pth',
    )
    without_downloads(model)
    assert model == dict(
        backbone=dict(type='ResNet', init_cfg=None),
        neck=dict(type='PVT', init_cfg=None),
        heads=[dict(init_cfg=[normal]), dict(init_cfg=normal)],
        image_encoder=dict(pretrained=None),
        teacher_ckpt=None,
    )


def test_the_tools_are_found_in_an_installation_and_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configs.tool('train.py').is_file() and configs.tool('test.py').is_file()
    monkeypatch.setattr(configs, '_PACKAGE', tmp_path / 'mmdownsize')
    assert configs.tool('train.py') == tmp_path / 'tools/train.py'
    (tmp_path / 'mmdownsize/.mim/tools').mkdir(parents=True)
    assert configs.tool('train.py') == tmp_path / 'mmdownsize/.mim/tools/train.py'


@pytest.mark.parametrize(
    ('model', 'channels'),
    [
        (dict(), 3),
        (dict(backbone=dict(in_channels=4)), 4),
        (dict(backbone=dict(in_channels=4), data_preprocessor=dict(mean=[1.0] * 3)), 4),
        (dict(backbone=dict(), data_preprocessor=dict(mean=[1.0] * 5)), 5),
        (dict(backbone=dict(in_channels=1), data_preprocessor=dict(mean=[1.0])), 1),
        (dict(backbone=dict(), data_preprocessor=dict(mean=[1.0])), 3),
        (dict(data_preprocessor=dict(data_preprocessor=dict(mean=(1.0, 2.0)))), 2),
        (dict(detector=dict(backbone=dict(in_channels=6))), 6),
        (dict(image_encoder=dict(in_channels=4)), 4),
        (dict(data_preprocessor=dict(mean=[0.0], downsizer=dict(in_channels=4))), 4),
        (dict(decode_head=dict(in_channels=64), backbone=dict(in_channels=[1, 2])), 3),
    ],
)
def test_channels_of_a_models_images(model, channels):
    assert channels_of(model) == channels


def test_the_preprocessor_with_the_downsizer_is_found_wherever_it_is():
    own = dict(downsizer=dict(type='A'))
    assert preprocessor_settings(dict(data_preprocessor=own)) == ('model.data_preprocessor', own)
    inside = dict(module=dict(data_preprocessor=dict(type='B', inner=own)))
    assert preprocessor_settings(inside) == ('model.module.data_preprocessor.inner', own)
    assert preprocessor_settings(own, 'data_preprocessor') == ('data_preprocessor', own)
    assert preprocessor_settings(dict(backbone=own)) is None
    assert preprocessor_settings(None) is None
