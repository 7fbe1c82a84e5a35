"""Trained downsizers as files: strict, complete, and never executed."""

import json
import pickle
import struct

import pytest
import torch

from mmdownsize.resizers import DownsizeNet, pretrained

CASES = [
    {},
    {'num_convs': 3, 'neighbors': 4, 'distance': 'area', 'start': 'area'},
    {'neighbors': 'auto', 'distance': 'triangle', 'start': 'antialiased', 'normalize': 'sigmoid'},
    {'texture': False},
    {'distance': None, 'start': 'random', 'channels': 8, 'in_channels': 1, 'value_range': (0.0, 1.0)},
]


def trained(**arguments):
    net = DownsizeNet(**arguments)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return net


@pytest.fixture
def path(tmp_path):
    trained().save_pretrained(tmp_path / 'net.safetensors', {'data': 'none'})
    return tmp_path / 'net.safetensors'


@pytest.mark.parametrize('arguments', CASES)
def test_a_file_gives_the_same_module(arguments, tmp_path):
    net = trained(**arguments)
    net.save_pretrained(tmp_path / 'net.safetensors', {'epochs': '3'})
    loaded = DownsizeNet.from_pretrained(tmp_path / 'net.safetensors')
    assert repr(loaded) == repr(net)
    images = torch.rand(1, net.in_channels, 14, 11) * net.value_range[1]
    assert torch.equal(loaded(images, (6, 5)), net(images, (6, 5)))
    assert pretrained.load(tmp_path / 'net.safetensors').provenance == {'epochs': '3'}


def test_reset_gives_the_trained_weights_again(path):
    loaded = DownsizeNet(pretrained=path)
    expected = [p.clone() for p in loaded.parameters()]
    torch.optim.SGD(loaded.parameters(), lr=1.0)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    loaded.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), expected))


def test_frozen_and_backend_are_ones_own(path):
    loaded = DownsizeNet.from_pretrained(path, frozen=True, backend='dense')
    assert not any(p.requires_grad for p in loaded.parameters())
    assert loaded.backend == 'dense'


def test_an_argument_may_be_repeated_but_not_contradict(tmp_path):
    trained(neighbors=4, distance='area', start='area').save_pretrained(tmp_path / 'net.safetensors')
    assert DownsizeNet(pretrained=tmp_path / 'net.safetensors', neighbors=4).neighbors == 4
    with pytest.raises(ValueError, match='was trained with neighbors=4, got 6: leave it out'):
        DownsizeNet(pretrained=tmp_path / 'net.safetensors', neighbors=6)


def test_names_that_come_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, 'SHIPPED', tmp_path)
    trained(neighbors=4).save_pretrained(tmp_path / 'universal.safetensors')
    assert DownsizeNet(pretrained='universal').neighbors == 4
    with pytest.raises(FileNotFoundError, match=r"no trained downsizer 'other'.* with the package are: universal"):
        DownsizeNet(pretrained='other')


def rewritten(path, change):
    """A file whose JSON header has been changed."""
    content = path.read_bytes()
    (length,) = struct.unpack('<Q', content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header['__metadata__'])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + content[8 + length :])
    return path


def test_weights_that_do_not_fit_are_refused(path):
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'num_convs': 3})))
    with pytest.raises(ValueError, match=r'does not fit its own arguments: texture.2.bias is missing'):
        DownsizeNet(pretrained=path)
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'channels': 8})))
    with pytest.raises(ValueError, match=r'texture.0.bias is \(16,\) instead of \(8,\)'):
        DownsizeNet(pretrained=path)
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'magic': 8})))
    with pytest.raises(ValueError, match=r"another version: unknown arguments \['magic'\]"):
        DownsizeNet(pretrained=path)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    net = trained()
    with torch.no_grad():
        net.fusion.bias[0] = float('nan')
    net.save_pretrained(tmp_path / 'net.safetensors')
    with pytest.raises(ValueError, match=r'fusion\.bias is not finite'):
        DownsizeNet(pretrained=tmp_path / 'net.safetensors')


def test_other_files_are_refused(path, tmp_path):
    rewritten(path, lambda meta: meta.update(format='pt'))
    with pytest.raises(ValueError, match=r"holds no downsizer \('pt' instead of .*extract_downsizer.py"):
        DownsizeNet(pretrained=path)

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / 'exploded'), 'w'))

    (tmp_path / 'net.pth').write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match='is not a safetensors file'):
        DownsizeNet(pretrained=tmp_path / 'net.pth')
    assert not (tmp_path / 'exploded').exists()


def test_a_file_is_replaced_as_a_whole(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(type(path), 'replace', lambda *_: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        trained(neighbors=4).save_pretrained(path)
    assert path.read_bytes() == before


def test_without_safetensors_the_way_out_is_named(path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'safetensors', None)
    monkeypatch.setitem(sys.modules, 'safetensors.torch', None)
    with pytest.raises(ImportError, match='pip install safetensors'):
        DownsizeNet(pretrained=path)
