"""tools/extract_downsizer.py, from a checkpoint as mmengine writes it to a config that uses the file."""

import pytest
import torch
from mmengine.config import Config

from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers import io as pretrained
from tools import extract_downsizer


def checkpoint(tmp_path, downsizer=None, state=None, with_config=True, preprocessor=None):
    arguments = dict(type='DownsizeNet', neighbors=4, distance='area', start='area') if downsizer is None else downsizer
    net = build_resizer(arguments)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    own = {f'data_preprocessor.downsizer.{k}': v for k, v in net.state_dict().items()} if state is None else state
    cfg = Config(dict(model=dict(data_preprocessor=dict(downsizer=arguments, **(preprocessor or {})))))
    meta = dict(epoch=3, seed=7, experiment_name='a run')
    if with_config:
        meta['cfg'] = cfg.pretty_text
    path = tmp_path / 'epoch_3.pth'
    torch.save(dict(state_dict={'backbone.weight': torch.zeros(2), **own}, meta=meta), path)
    (tmp_path / 'config.py').write_text(cfg.pretty_text)
    return path, net


def test_the_file_gives_the_trained_module(tmp_path, capsys):
    path, net = checkpoint(tmp_path)
    out = tmp_path / 'new' / 'net.safetensors'
    extract_downsizer.main([str(path), str(out), '--note', 'data=a=b'])
    loaded = build_resizer(dict(type='DownsizeNet', pretrained=str(out), frozen=True))
    images = torch.rand(1, 3, 14, 11) * 255
    assert torch.equal(loaded(images, (6, 5)), net(images, (6, 5)))
    provenance = pretrained.load(out).provenance
    assert provenance == {
        'epoch': '3',
        'seed': '7',
        'experiment_name': 'a run',
        'torch': torch.__version__,
        'data': 'a=b',
    }
    assert '3,296 parameters' in capsys.readouterr().out


@pytest.mark.parametrize('kind', ['LearnedResizer', 'MullerResizer'])
def test_other_resizers_that_learn(kind, tmp_path):
    path, net = checkpoint(tmp_path, dict(type=kind))
    out = tmp_path / 'net.safetensors'
    extract_downsizer.main([str(path), str(out)])
    loaded = build_resizer(dict(type=kind, pretrained=str(out), frozen=True))
    images = torch.rand(1, 3, 14, 11) * 255
    assert torch.equal(loaded(images, (6, 5)), net.eval()(images, (6, 5)))


def test_one_that_was_trained_on_from_a_file(tmp_path):
    path, _ = checkpoint(tmp_path)
    extract_downsizer.main([str(path), str(tmp_path / 'first.safetensors')])
    path, net = checkpoint(tmp_path, dict(type='DownsizeNet', pretrained=str(tmp_path / 'first.safetensors')))
    extract_downsizer.main([str(path), str(tmp_path / 'second.safetensors')])
    second = DownsizeNet.from_pretrained(tmp_path / 'second.safetensors')
    assert all(torch.equal(a, b) for a, b in zip(second.parameters(), net.parameters()))
    (tmp_path / 'first.safetensors').unlink()
    with pytest.raises(SystemExit, match='The config names it with pretrained='):
        extract_downsizer.main([str(path), str(tmp_path / 'third.safetensors')])


def test_where_it_was_trained_is_kept(tmp_path):
    path, _ = checkpoint(tmp_path)
    out = tmp_path / 'net.safetensors'
    for given, expected in ((['0.5'], (0.5, 0.5)), (['0.25', '0.5'], (0.25, 0.5))):
        extract_downsizer.main([str(path), str(out), '--scale-factor', *given])
        assert pretrained.load(out).scale_factors == expected
    for given, message in ((['1', '2', '3'], '--scale-factor LOWEST'), (['0.5', '0.4'], 'scale_factors must be')):
        with pytest.raises(SystemExit, match=message):
            extract_downsizer.main([str(path), str(out), '--scale-factor', *given])
    assert pretrained.load(out).scale_factors == (0.25, 0.5)


def test_a_checkpoint_without_its_config(tmp_path):
    path, _ = checkpoint(tmp_path, with_config=False)
    with pytest.raises(SystemExit, match='holds no config: name it with --config'):
        extract_downsizer.main([str(path), str(tmp_path / 'net.safetensors')])
    extract_downsizer.main([str(path), str(tmp_path / 'net.safetensors'), '--config', str(tmp_path / 'config.py')])
    assert DownsizeNet.from_pretrained(tmp_path / 'net.safetensors').neighbors == 4


def test_what_cannot_be_extracted_is_refused(tmp_path):
    out = str(tmp_path / 'net.safetensors')
    with pytest.raises(SystemExit, match='no such checkpoint'):
        extract_downsizer.main([str(tmp_path / 'none.pth'), out])
    path, _ = checkpoint(tmp_path)
    with pytest.raises(SystemExit, match=r'is to end in .safetensors'):
        extract_downsizer.main([str(path), str(tmp_path / 'net.pth')])
    with pytest.raises(SystemExit, match='--note KEY=TEXT'):
        extract_downsizer.main([str(path), out, '--note', 'nothing'])
    path, _ = checkpoint(tmp_path, dict(type='FixedResizer'), {})
    with pytest.raises(SystemExit, match='trained without a downsizer, or with a fixed one'):
        extract_downsizer.main([str(path), out])
    path, _ = checkpoint(tmp_path, dict(type='FixedResizer'), {'data_preprocessor.downsizer.bias': torch.zeros(3)})
    with pytest.raises(SystemExit, match='is a FixedResizer; only a TrainableResizer'):
        extract_downsizer.main([str(path), out])
    path, _ = checkpoint(tmp_path, None, {'data_preprocessor.downsizer.fusion.bias': torch.zeros(3)})
    with pytest.raises(SystemExit, match=r'does not fit the downsizer: fusion.bias is \(3,\) instead of \(16,\)'):
        extract_downsizer.main([str(path), out])
    assert not (tmp_path / 'net.safetensors').exists()


@pytest.mark.parametrize(
    ('settings', 'options', 'expected'),
    [
        ({}, [], 'BGR'),
        (dict(bgr_to_rgb=True), [], 'BGR'),
        (dict(rgb_to_bgr=True), [], 'RGB'),
        (dict(rgb_to_bgr=False), ['--color-order', 'RGB'], 'RGB'),
    ],
)
@pytest.mark.parametrize('with_config', [True, False])
def test_the_file_names_the_order_of_colours(settings, options, expected, with_config, tmp_path, capsys):
    path, _ = checkpoint(tmp_path, with_config=with_config, preprocessor=settings)
    own = [] if with_config else ['--config', str(tmp_path / 'config.py')]
    extract_downsizer.main([str(path), str(tmp_path / 'net.safetensors'), *own, *options])
    assert pretrained.load(tmp_path / 'net.safetensors').color_order == expected
    assert f'{expected} images' in capsys.readouterr().out


def test_images_of_other_channels_have_no_order_of_colours(tmp_path):
    path, _ = checkpoint(tmp_path, dict(type='DownsizeNet', in_channels=4))
    extract_downsizer.main([str(path), str(tmp_path / 'net.safetensors')])
    assert pretrained.load(tmp_path / 'net.safetensors').color_order is None


def test_a_config_of_other_settings_than_the_checkpoints_is_refused(tmp_path):
    path, _ = checkpoint(tmp_path)
    other = tmp_path / 'other.py'
    other.write_text((tmp_path / 'config.py').read_text().replace("start='area'", "start='triangle'"))
    with pytest.raises(SystemExit) as refused:
        extract_downsizer.main([str(path), str(tmp_path / 'net.safetensors'), '--config', str(other)])
    assert "start='area' in the weights, 'triangle' here" in str(refused.value)
