"""Resizers by one name: kernels, fragments that are one, weights that come with the package, files of weights."""

from pathlib import Path

import pytest
import torch

from mmdownsize.ops import KERNELS
from mmdownsize.refusal import MissingFile, Refusal
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer
from mmdownsize.resizers.fixed import EXTREMES
from mmdownsize.resizers.io import list_pretrained
from mmdownsize.resizers.named import FIXED, resizer_named

FRAGMENTS = Path(__file__).parents[2] / 'configs/_base_/downsize'


def test_every_kernel_has_a_name_and_is_described():
    assert list(FIXED) and set(FIXED) == {*KERNELS, *EXTREMES}
    for name in FIXED:
        assert isinstance(resizer_named(name), FixedResizer)
    assert repr(resizer_named('lanczos_antialias')) == repr(FixedResizer('lanczos', antialias=True))
    assert repr(resizer_named('triangle')) == repr(FixedResizer('bilinear', antialias=True))


def test_a_fragment_that_is_a_fixed_kernel_is_one_by_its_name():
    found = 0
    for path in FRAGMENTS.glob('*.py'):
        scope = {}
        exec(path.read_text(), scope)
        downsizer = dict(scope['downsizer'])
        if downsizer.pop('type') == 'FixedResizer':
            assert repr(resizer_named(path.stem)) == repr(FixedResizer(**downsizer))
            found += 1
    assert found >= 9


def test_trained_weights_are_frozen(tmp_path, monkeypatch):
    for name in list_pretrained():
        assert not any(parameter.requires_grad for parameter in resizer_named(name).parameters())
    monkeypatch.chdir(tmp_path)
    net = ImportanceResizer(channels=4)
    torch.nn.init.normal_(net.score.weight)
    net.save_pretrained('mine.safetensors', color_order='RGB')
    Path('mine.safetensors').rename('bare')
    for path in ('bare', './bare', tmp_path / 'bare'):
        loaded = resizer_named(path)
        assert isinstance(loaded, ImportanceResizer) and loaded.color_order == 'RGB' and loaded.frozen
        assert torch.equal(loaded.score.weight, net.score.weight)


@pytest.mark.parametrize(
    ('name', 'error', 'message'),
    [
        ('aera', Refusal, "unknown resizer 'aera': did you mean 'area'?"),
        ('lanczos3', Refusal, "did you mean 'lanczos'"),
        ('downsizenet_6x6_signed', Refusal, "did you mean 'downsizenet_6x6_signed_voc2012'"),
        ('zzz', Refusal, 'known are nearest, bilinear.*_voc2012, or FILE.safetensors'),
        ('', Refusal, "a resizer is a name or a path, got ''"),
        (5, Refusal, 'a name or a path, got 5; known names: nearest'),
        ('gone.safetensors', MissingFile, "no trained downsizer 'gone.safetensors': no such file"),
    ],
)
def test_what_is_no_resizer_is_refused(name, error, message):
    with pytest.raises(error, match=message):
        resizer_named(name)


def test_a_file_of_something_else_is_refused(tmp_path):
    from mmdownsize.resizers import io

    io.save(tmp_path / 'layer.safetensors', 'ImportanceDownsample', {}, {'a': torch.zeros(1)}, {})
    with pytest.raises(Refusal, match='holds a ImportanceDownsample, which is not a resizer: those are DownsizeNet'):
        resizer_named(tmp_path / 'layer.safetensors')


def test_a_kernel_may_be_the_first_argument():
    assert FixedResizer('area').kernel == 'area'
    with pytest.raises(TypeError):
        FixedResizer('area', True)
    for name in ('lanczos_antialias', 'lanczos_antialiased'):
        with pytest.raises(ValueError, match=f"'{name}' is kernel='lanczos' with antialias=True"):
            FixedResizer(name)
    assert DownsizeNet(start='lanczos_antialias', normalize='signed', neighbors=6).start == 'lanczos_antialias'
