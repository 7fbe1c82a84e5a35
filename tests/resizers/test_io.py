"""Trained resizers as files: strict, complete, and never executed."""

import json
import pickle
import struct
import warnings

import pytest
import torch

from mmdownsize.notices import Notice
from mmdownsize.ops import kernels
from mmdownsize.resizers import DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer, io

CASES = [
    {},
    {'num_convs': 3, 'neighbors': 4, 'distance': 'area', 'start': 'area'},
    {'neighbors': 'auto', 'distance': 'triangle', 'start': 'triangle', 'normalize': 'sigmoid'},
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
    assert io.load(tmp_path / 'net.safetensors').provenance == {'epochs': '3'}


def test_reset_gives_the_trained_weights_again(path):
    loaded = DownsizeNet.from_pretrained(path)
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
    assert DownsizeNet.from_pretrained(tmp_path / 'net.safetensors', neighbors=4).neighbors == 4
    with pytest.raises(ValueError, match='was trained with neighbors=4, got 6: leave it out'):
        DownsizeNet.from_pretrained(tmp_path / 'net.safetensors', neighbors=6)


def test_a_setting_of_the_file_may_be_repeated_in_any_form_and_a_default_is_a_setting_too(tmp_path):
    path = tmp_path / 'net.safetensors'
    trained(neighbors='auto', start='triangle', value_range=(0.0, 1.0)).save_pretrained(path)
    loaded = DownsizeNet.from_pretrained(path, start='antialiased', value_range=[0, 1])
    assert (loaded.start, loaded.value_range) == ('triangle', (0.0, 1.0))
    with pytest.raises(ValueError, match="was trained with neighbors='auto', got 2: leave it out"):
        DownsizeNet.from_pretrained(path, neighbors=2)  # the constructor's default
    with pytest.raises(TypeError, match='layers'):
        DownsizeNet.from_pretrained(path, layers=2)


def test_another_name_of_a_kernel_in_a_file_prints_no_note(path):
    kernels._note.cache_clear()
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'start': 'antialiased'})))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert DownsizeNet.from_pretrained(path).start == 'triangle'


def test_the_constructor_reads_no_files(path):
    for kind in (DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer):
        with pytest.raises(TypeError, match='pretrained'):
            kind(pretrained=path)


def test_names_that_come_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(io, 'SHIPPED', tmp_path)
    trained(neighbors=4).save_pretrained(tmp_path / 'universal.safetensors')
    assert DownsizeNet.from_pretrained('universal').neighbors == 4
    with pytest.raises(FileNotFoundError, match=r"no trained downsizer 'other'.* with the package are: universal"):
        DownsizeNet.from_pretrained('other')


RIVALS = [
    (LearnedResizer, {'num_blocks': 2, 'channels': 4, 'in_channels': 1, 'value_range': (-1.0, 1.0)}),
    (LearnedResizer, {'num_blocks': 0, 'channels': 4, 'start': 'bilinear'}),
    (MullerResizer, {'num_layers': 3, 'kernel_size': 7, 'stddev': 1.5, 'kernel': 'area', 'value_range': (0.0, 1.0)}),
    (MullerResizer, {'antialias': True}),
    (ImportanceResizer, {'num_convs': 2, 'dilation': 2, 'channels': 4, 'limit': 3, 'start': 'darkest'}),
    (ImportanceResizer, {'kernel': 'triangle', 'per_channel': True, 'in_channels': 1, 'value_range': (0.0, 1.0)}),
]


@pytest.fixture(params=RIVALS, ids=lambda case: f'{case[0].__name__}-{len(case[1])}')
def rival(request, tmp_path):
    """A trained one and its file."""
    kind, arguments = request.param
    net = kind(**arguments)
    with torch.no_grad():
        for tensor in net.state_dict().values():  # running statistics as well
            tensor.add_(torch.rand(tensor.shape) * 0.1 if tensor.is_floating_point() else 5)
    net.save_pretrained(tmp_path / 'rival.safetensors', {'data': 'none'})
    return net.eval(), tmp_path / 'rival.safetensors'


def test_a_rival_is_kept_whole(rival):
    net, path = rival
    loaded = type(net).from_pretrained(path).eval()
    assert loaded.arguments() == net.arguments()
    assert repr(loaded) == repr(net)
    expected = net.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())
    low, high = net.value_range
    images = torch.rand(2, getattr(net, 'in_channels', 3), 14, 11) * (high - low) + low
    assert torch.equal(loaded(images, (6, 5)), net(images, (6, 5)))
    assert not torch.equal(type(net)(**net.arguments()).eval()(images, (6, 5)), net(images, (6, 5)))


def test_a_frozen_rival_does_not_move(rival):
    net, path = rival
    frozen = type(net).from_pretrained(path, frozen=True)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    parent = torch.nn.ModuleList([frozen]).train()
    before = {key: value.clone() for key, value in frozen.state_dict().items()}
    channels = getattr(net, 'in_channels', 3)
    parent[0](torch.rand(2, channels, 14, 11), (6, 5))
    assert not frozen.training
    assert all(torch.equal(value, before[key]) for key, value in frozen.state_dict().items())
    free = type(net).from_pretrained(path).train()
    assert free.training
    assert all(parameter.requires_grad for parameter in free.parameters())


def test_reset_gives_a_trained_rival_again(rival):
    net, path = rival
    loaded = type(net).from_pretrained(path)
    with torch.no_grad():
        for tensor in loaded.state_dict().values():
            tensor.zero_()
    loaded.reset_parameters()
    expected = net.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())


def test_another_kind_is_refused_by_name(rival, path):
    net, file = rival
    kind = type(net).__name__
    with pytest.raises(ValueError, match=f"holds a {kind}, not a DownsizeNet: say type='{kind}'"):
        DownsizeNet.from_pretrained(file)
    with pytest.raises(ValueError, match=f"holds a DownsizeNet, not a {kind}: say type='DownsizeNet'"):
        type(net).from_pretrained(path)


def test_arguments_of_a_rival_that_are_none(tmp_path):
    path = tmp_path / 'net.safetensors'
    LearnedResizer(channels=4).save_pretrained(path)
    with pytest.raises(ValueError, match='was trained with channels=4, got 8: leave it out'):
        LearnedResizer.from_pretrained(path, channels=8)
    for wrong, message in (
        ({'channels': 5}, r'does not fit its own arguments: .*is \(4,\) instead of \(5,\)'),
        ({'channels': 'many'}, 'has wrong arguments: channels must be'),
        ({'num_blocks': 10**9}, 'has wrong arguments: num_blocks must be a whole number, 0 to 64'),
        ({'start': ['bilinear']}, 'has wrong arguments: unknown start'),
    ):
        rewritten(path, lambda meta, wrong=wrong: meta.update(arguments=json.dumps({'channels': 4, **wrong})))
        with pytest.raises(ValueError, match=message):
            LearnedResizer.from_pretrained(path)
    MullerResizer().save_pretrained(path)
    for wrong, message in (
        ({'kernel': ['area']}, 'has wrong arguments: .*kernel'),
        ({'num_layers': 3}, r'weights is \(2,\) instead of \(3,\)'),
        ({'kernel_size': 4}, 'has wrong arguments: kernel_size must be an odd number'),
        ({'antialias': 'no'}, 'has wrong arguments: .*antialias'),
    ):
        rewritten(path, lambda meta, wrong=wrong: meta.update(arguments=json.dumps(wrong)))
        with pytest.raises(ValueError, match=message):
            MullerResizer.from_pretrained(path)
    ImportanceResizer().save_pretrained(path)
    with pytest.raises(ValueError, match="was trained with start=None, got 'darkest': leave it out"):
        ImportanceResizer.from_pretrained(path, start='darkest')
    for wrong, message in (
        ({'kernel': ['area']}, 'has wrong arguments: unknown kernel'),
        ({'kernel': 'lanczos'}, "has wrong arguments: kernel='lanczos' has negative weights"),
        ({'limit': 1e9}, 'has wrong arguments: limit must be at most 40'),
        ({'num_convs': 2}, r'texture.1.bias is missing'),
        ({'per_channel': True}, r'tone is \(1,\) instead of \(3,\)'),
    ):
        rewritten(path, lambda meta, wrong=wrong: meta.update(arguments=json.dumps(wrong)))
        with pytest.raises(ValueError, match=message):
            ImportanceResizer.from_pretrained(path)


NAMES_THE_PLACE = r'DownsizeNet was trained at a scale factor of 0.5 and resizes \(20, 10\) -> \(20, 10\), by 1 and 1'


@pytest.fixture
def placed(tmp_path):
    """The file of one that was trained at half the size."""
    trained().save_pretrained(tmp_path / 'placed.safetensors', scale_factors=(0.5, 0.5))
    return tmp_path / 'placed.safetensors'


@pytest.mark.parametrize(
    ('factors', 'dst_hw', 'fits'),
    [
        ((0.5, 0.5), (10, 10), True),
        ((0.5, 0.5), (8, 8), True),
        ((0.5, 0.5), (12, 12), True),
        ((0.5, 0.5), (7, 10), False),
        ((0.5, 0.5), (10, 13), False),
        ((0.2, 0.6), (4, 15), True),
        ((0.2, 0.6), (3, 10), False),
        ((0.2, 0.6), (10, 16), False),
        (None, (1, 20), True),
    ],
)
def test_far_from_where_it_was_trained_it_says_so_once(factors, dst_hw, fits, tmp_path):
    trained().save_pretrained(tmp_path / 'net.safetensors', scale_factors=factors)
    assert io.load(tmp_path / 'net.safetensors').scale_factors == factors
    net = DownsizeNet.from_pretrained(tmp_path / 'net.safetensors', frozen=True)
    net.train()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        for _ in range(2):
            net(255 * torch.rand(1, 3, 20, 20), dst_hw)
    assert [warning.category for warning in found] == [Notice] * (not fits)
    assert all(warning.filename == __file__ for warning in found)


def test_the_warning_names_both_places(placed):
    with pytest.warns(UserWarning, match=NAMES_THE_PLACE):
        DownsizeNet.from_pretrained(placed).eval()(255 * torch.rand(1, 3, 20, 10), (20, 10))


def test_a_recording_holds_no_warning(placed):
    net, images = DownsizeNet.from_pretrained(placed, frozen=True), 255 * torch.rand(1, 3, 20, 10)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        torch.jit.trace(lambda images: net(images, (20, 10)), images, check_trace=False)  # which runs it as it is
    assert not [warning for warning in found if 'was trained at' in str(warning.message)]
    with pytest.warns(UserWarning, match=NAMES_THE_PLACE):
        net(images, (20, 10))


def test_one_that_is_trained_on_is_at_home_where_it_is_trained(placed):
    images = 255 * torch.rand(1, 3, 20, 10)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        net = DownsizeNet.from_pretrained(placed)
        net.train()(images, (20, 10))
        net.eval()(images, (20, 10))
        net = DownsizeNet.from_pretrained(placed)
        net.load_state_dict(trained().state_dict())  # as from a checkpoint of such a training
        net.eval()(images, (20, 10))
    frozen = DownsizeNet.from_pretrained(placed, frozen=True)
    frozen.load_state_dict(frozen.state_dict())
    with pytest.warns(UserWarning, match=NAMES_THE_PLACE):
        frozen(images, (20, 10))
    net.reset_parameters()
    with pytest.warns(UserWarning, match=NAMES_THE_PLACE):
        net(images, (20, 10))


@pytest.mark.parametrize('factors', [(0.5,), (0.6, 0.5), (0.0, 1.0), ('a', 1.0), (float('nan'), 1.0), 0.5, [0.1, True]])
def test_scale_factors_that_are_none_are_refused(factors, path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match='scale_factors must be'):
        trained().save_pretrained(path, scale_factors=factors)
    assert path.read_bytes() == before
    rewritten(path, lambda meta: meta.update(scale_factors=json.dumps(factors)))
    with pytest.raises(
        ValueError, match=r'its scale_factors are .* \(scale_factors must be .*\); write the file again'
    ):
        DownsizeNet.from_pretrained(path)


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
        DownsizeNet.from_pretrained(path)
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'channels': 8})))
    with pytest.raises(ValueError, match=r'texture.0.bias is \(16,\) instead of \(8,\)'):
        DownsizeNet.from_pretrained(path)
    rewritten(path, lambda meta: meta.update(arguments=json.dumps({'magic': 8})))
    with pytest.raises(ValueError, match=r"another version: unknown arguments \['magic'\]"):
        DownsizeNet.from_pretrained(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    net = trained()
    with torch.no_grad():
        net.fusion.bias[0] = float('nan')
    net.save_pretrained(tmp_path / 'net.safetensors')
    with pytest.raises(ValueError, match=r'fusion\.bias is not finite'):
        DownsizeNet.from_pretrained(tmp_path / 'net.safetensors')


def test_other_files_are_refused(path, tmp_path):
    rewritten(path, lambda meta: meta.update(format='pt'))
    with pytest.raises(ValueError, match=r"holds no downsizer \('pt' instead of .*mmdownsize extract"):
        DownsizeNet.from_pretrained(path)

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / 'exploded'), 'w'))

    (tmp_path / 'net.pth').write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match='is not a safetensors file'):
        DownsizeNet.from_pretrained(tmp_path / 'net.pth')
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
        DownsizeNet.from_pretrained(path)
