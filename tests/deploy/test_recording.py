"""torch.jit.trace, torch.export and torch.compile of resizers: at sizes and batches that they were not recorded with."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.geometry import TargetSize
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer

pytestmark = [
    pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning'),
    pytest.mark.filterwarnings('ignore:.*torch.jit.*deprecated'),
    pytest.mark.usefixtures('single_thread'),
]
NETS = {
    'default': dict(),
    'paper': dict(start='random', normalize='sigmoid'),
    'area 4x4': dict(neighbors=4, distance='area', start='area'),
    'auto': dict(neighbors='auto', distance='triangle', start='triangle'),
    'signed bicubic': dict(neighbors=4, distance='bicubic', normalize='signed', start='bicubic'),
    'offsets': dict(distance='offset', num_convs=3, channels=5),
    'texture only': dict(distance=None, start='random'),
    'distance only': dict(texture=False),
}
IMPORTANCES = {
    'importance': dict(),
    'importance triangle': dict(kernel='triangle', num_convs=2, start='darkest'),
    'importance bilinear': dict(kernel='bilinear', num_convs=3, dilation=2, channels=5),
    'importance nearest': dict(kernel='nearest', per_channel=True),
    'importance around Lanczos': dict(around='lanczos_antialias', per_channel=True),
}
TARGETS = {
    'factor': TargetSize(scale_factor=0.37),
    'factors': TargetSize(scale_factor=(1.3, 0.5)),
    'scale': TargetSize(scale=(17, 12)),
    'box': TargetSize(scale=(17, 12), keep_ratio=True),
}
SHAPES = [(1, 3, 21, 33), (2, 3, 40, 56), (3, 3, 61, 30)]
RECORDED = (2, 3, 30, 44)


def net_of(name):
    net = DownsizeNet(**NETS[name])
    nn.init.normal_(net.fusion.weight, std=0.3)
    return net


def importance_of(name):
    net = ImportanceResizer(**IMPORTANCES[name])
    nn.init.normal_(net.score.weight, std=0.3)
    return net


def noise(shape):
    return torch.rand(shape) * 255


def assert_equal(found, wanted, atol=1e-4):
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert (found - wanted).abs().max() <= atol + 1e-6 * wanted.abs().max()


@pytest.mark.filterwarnings('ignore:start=')
@pytest.mark.parametrize('target', ['factors', 'box'])
@pytest.mark.parametrize('name', NETS)
def test_a_trace_holds_for_every_size(name, target):
    downsizer = Downsizer(net_of(name), TARGETS[target])
    traced = torch.jit.trace(downsizer, noise(RECORDED), check_trace=False)
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(traced(images), downsizer(images))


@pytest.mark.parametrize(
    'resizer',
    [
        *(
            FixedResizer(kernel=kernel)
            for kernel in ('nearest', 'bilinear', 'bicubic', 'area', 'sharp_area', 'lanczos')
        ),
        *(FixedResizer(kernel=kernel, antialias=True) for kernel in ('bilinear', 'bicubic', 'lanczos')),
        FixedResizer(kernel='sharp_area', shift=(2, -1)),
        *(FixedResizer(kernel=kernel, softness=s) for kernel in ('darkest', 'brightest') for s in (0, 20)),
        LearnedResizer(channels=4),
        MullerResizer(),
    ],
    ids=repr,
)
def test_a_trace_of_the_other_resizers_holds_too(resizer):
    for parameter in resizer.parameters():
        nn.init.normal_(parameter, std=0.1)
    downsizer = Downsizer(resizer, TARGETS['factor'])
    traced = torch.jit.trace(downsizer, noise(RECORDED), check_trace=False)
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(traced(images), downsizer(images), atol=1e-3)


@pytest.mark.parametrize('target', TARGETS)
@pytest.mark.parametrize('name', IMPORTANCES)
def test_a_trace_of_an_importance_holds_for_every_size(name, target):
    downsizer = Downsizer(importance_of(name), TARGETS[target])
    traced = torch.jit.trace(downsizer, noise(RECORDED), check_trace=False)
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(traced(images), downsizer(images), atol=1e-3)
        whole = images.to(torch.uint8)
        assert_equal(traced(whole.float()), downsizer(whole), atol=1e-3)


class To(nn.Module):
    """A resizer and a size: what a model of somebody else's does with one."""

    def __init__(self, resizer, dst_hw):
        super().__init__()
        self.resizer, self.dst_hw = resizer, dst_hw

    def forward(self, images):
        return self.resizer(images, self.dst_hw)


@pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])
@pytest.mark.parametrize('make', [lambda: net_of('default'), lambda: importance_of('importance')])
def test_a_trace_of_the_resizer_itself_holds_for_every_source_size(make, backend):
    net = make()
    net.backend = backend
    with torch.no_grad():
        traced = torch.jit.trace(To(net, (12, 17)), noise(RECORDED), check_trace=False)
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(traced(images), net(images, (12, 17)))


def test_the_compiled_back_end_is_not_recorded_but_a_downsizer_that_asks_for_it_is():
    net = net_of('default')
    net.backend = 'native'
    with pytest.raises(ValueError, match="backend='native' cannot be used here: a graph is being traced"):
        torch.jit.trace(To(net, (12, 17)), noise(RECORDED))
    downsizer = Downsizer(net, TARGETS['factor'])
    traced = torch.jit.trace(downsizer, noise(RECORDED), check_trace=False)
    images = noise(SHAPES[1])
    assert_equal(traced(images), downsizer(images))
    assert net.backend == 'native'


def test_uint8_images_are_recorded():
    downsizer = Downsizer(net_of('default'), TARGETS['factor'])
    images = noise(RECORDED).to(torch.uint8)
    traced = torch.jit.trace(downsizer, images, check_trace=False)
    other = noise(SHAPES[2]).to(torch.uint8)
    assert_equal(traced(other), downsizer(other))
    assert_equal(traced(other), downsizer(other.float()))


@pytest.mark.parametrize('name', ['default', 'auto', *IMPORTANCES])
def test_torch_export_leaves_the_batch_open(name):
    net = importance_of(name) if name in IMPORTANCES else net_of(name)
    shape = (3, 3, 30, 44)
    exported = torch.export.export(
        net, (noise(shape), (12, 17)), dynamic_shapes={'images': {0: torch.export.Dim('n')}, 'dst_hw': (None, None)}
    )
    images = noise((5, *shape[1:]))
    assert_equal(exported.module()(images, (12, 17)), net(images, (12, 17)))
    # Symbols must not stay in what is kept for later calls.
    assert_equal(net(images, (12, 17)), net.double()(images.double(), (12, 17)).float())


OPEN = {0: torch.export.Dim('n'), 2: torch.export.Dim('h', min=8), 3: torch.export.Dim('w', min=8)}


@pytest.mark.parametrize(
    ('name', 'target'), [('default', 'factor'), ('paper', 'box'), ('area 4x4', 'scale'), ('offsets', 'factors')]
)
def test_torch_export_leaves_the_size_open(name, target):
    downsizer = Downsizer(net_of(name), TARGETS[target])
    exported = torch.export.export(downsizer, (noise((3, 3, 30, 44)),), dynamic_shapes={'images': OPEN})
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(exported.module()(images), downsizer(images))


@pytest.mark.parametrize('name', ['importance bilinear', 'importance nearest'])
def test_torch_export_of_an_importance_leaves_the_size_open(name):
    downsizer = Downsizer(importance_of(name), TARGETS['factor'])
    exported = torch.export.export(downsizer, (noise((3, 3, 30, 44)),), dynamic_shapes={'images': OPEN})
    for shape in SHAPES:
        images = noise(shape)
        assert_equal(exported.module()(images), downsizer(images), atol=1e-3)


@pytest.mark.parametrize('resizer', [FixedResizer(kernel='darkest'), FixedResizer(kernel='brightest', softness=20)])
def test_torch_export_of_a_rank_filter_leaves_the_batch_open(resizer):
    shape = (3, 3, 30, 44)
    exported = torch.export.export(
        resizer, (noise(shape), (12, 17)), dynamic_shapes={'images': {0: torch.export.Dim('n')}, 'dst_hw': (None, None)}
    )
    images = noise((5, *shape[1:]))
    assert_equal(exported.module()(images, (12, 17)), resizer(images, (12, 17)), atol=1e-3)


def test_torch_export_refuses_an_open_size_where_the_number_of_neighbors_depends_on_it():
    for resizer in (net_of('auto'), importance_of('importance'), FixedResizer(kernel='darkest')):
        downsizer = Downsizer(resizer, TARGETS['factor'])
        with pytest.raises(torch._dynamo.exc.UserError, match='Constraints violated'):
            torch.export.export(downsizer, (noise((3, 3, 30, 44)),), dynamic_shapes={'images': OPEN})


@pytest.mark.parametrize(
    'resizer', [DownsizeNet(), FixedResizer(), ImportanceResizer(), LearnedResizer(), MullerResizer()], ids=repr
)
def test_scripting_is_refused_by_name(resizer):
    with pytest.raises(
        TypeError, match=rf'{type(resizer).__name__} cannot be compiled by torch.jit.script; .*jit.trace'
    ):
        torch.jit.script(resizer)
    with pytest.raises(TypeError, match=r'jit\.trace'):
        torch.jit.script(nn.Sequential(resizer))


COMPILED = """
import sys
import torch
from mmdownsize.resizers import DownsizeNet, ImportanceResizer
torch.manual_seed(0)
torch.set_num_threads(1)
net, importance = DownsizeNet(), ImportanceResizer()
torch.nn.init.normal_(net.fusion.weight, std=0.3)
torch.nn.init.normal_(importance.score.weight, std=0.3)
for resizer in (net, importance):
    compiled = torch.compile(resizer, fullgraph=True, backend=sys.argv[1])
    if sys.argv[1] == 'inductor':  # its own code, for one size: compiling takes half a minute of a core
        images = torch.rand(2, 3, 30, 44) * 255
        with torch.no_grad():
            assert (compiled(images, (12, 17)) - resizer(images, (12, 17))).abs().max() < 1e-3
        continue
    for shape in ((2, 3, 30, 44), (3, 3, 30, 44), (2, 3, 61, 40)):
        images = torch.rand(shape) * 255
        found, wanted = compiled(images, (12, 17)), resizer(images, (12, 17))
        assert (found - wanted).abs().max() < 1e-3, shape
        ours, theirs = (torch.autograd.grad(out.square().mean(), list(resizer.parameters())) for out in (found, wanted))
        for a, b in zip(ours, theirs):
            assert (a - b).abs().max() <= 1e-3 * b.abs().max(), shape
print('compiled')
"""


@pytest.mark.parametrize('backend', ['aot_eager', 'inductor'])
def test_torch_compile(backend, tmp_path):
    """In a process of its own: it leaves caches, threads and settings behind."""
    if backend == 'inductor' and shutil.which('g++') is None:
        pytest.skip('torch.compile needs g++')
    done = subprocess.run(
        [sys.executable, '-c', COMPILED, backend],
        cwd=Path(__file__).parents[2],
        env={**os.environ, 'TORCHINDUCTOR_CACHE_DIR': str(tmp_path), 'TORCHINDUCTOR_COMPILE_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.stdout.strip() == 'compiled', done.stderr[-2000:]


@pytest.mark.parametrize('target', TARGETS)
def test_recorded_sizes_are_those_of_the_preprocessor(target):
    rule = TARGETS[target]
    traced = torch.jit.trace(
        lambda images: torch.stack([torch.as_tensor(side) for side in rule.of((images.shape[0], images.shape[1]))]),
        torch.zeros(30, 44),
        check_trace=False,
    )
    sides = [27, 30, 44, 61, 100, 135, 149, 200]
    for h in sides:
        for w in sides:
            assert traced(torch.zeros(h, w)).tolist() == list(rule.of((h, w))), (h, w)


def test_rounding_half_up_is_recorded():
    rule = TargetSize(scale_factor=0.5)
    traced = torch.jit.trace(lambda images: rule.of(images.shape)[0], torch.zeros(30, 44), check_trace=False)
    assert [int(traced(torch.zeros(h, 2))) for h in (3, 4, 5)] == [2, 2, 3]


def test_somebody_elses_resizer_is_refused():
    with pytest.raises(TypeError, match='the downsizer is a Identity, which is none of mmdownsize'):
        Downsizer(nn.Identity(), TARGETS['factor'])


def test_a_downsizer_keeps_a_copy():
    net = net_of('default')
    downsizer = Downsizer(net, TARGETS['factor'])
    images = noise(SHAPES[0])
    before = downsizer(images)
    nn.init.zeros_(net.fusion.weight)
    assert torch.equal(downsizer(images), before)
    assert all(p.requires_grad for p in net.parameters())
    assert before.shape[2:] == (math.floor(21 * 0.37 + 0.5), math.floor(33 * 0.37 + 0.5))


def test_swapped_colors_are_those_of_the_swapped_image():
    net = net_of('default')
    plain, swapping = (Downsizer(net, TARGETS['factor'], swap_colors=swap) for swap in (False, True))
    images = noise(SHAPES[0])
    assert torch.equal(swapping(images.flip(1)), plain(images).flip(1))
    assert not torch.equal(plain(images.flip(1)), plain(images).flip(1))  # it is not the same either way
