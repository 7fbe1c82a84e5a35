"""The Triton back end against plain operators in float64, and what it refuses; its kernels compiled for GPUs that are absent.

On a GPU the kernels run there. Without one Triton's interpreter runs them, on the CPU and with numpy's arithmetic: that shows
that they compute the right thing, and the machine code in the last tests that they do so with float32 products.
"""

import dataclasses
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.ops import NORMALIZATIONS, Texture, downsize
from mmdownsize.ops.backends import native
from mmdownsize.ops.backends.triton import check as triton_check
from mmdownsize.ops.backends.triton import launch as triton_backend
from mmdownsize.resizers import DownsizeNet
from tests.ops.problems import arguments, assert_equal, case, dense, neighborhood

ROOT = Path(__file__).parents[3]
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
missing = triton_backend.unavailable()
needs_triton = pytest.mark.skipif(missing is not None, reason=f'the Triton back end is NOT TESTED: {missing}')

# Small, as the interpreter takes milliseconds for what a GPU does at once; 32 pixels and more are several blocks.
src_sizes = st.tuples(*[st.integers(1, 12)] * 2)
dst_sizes = st.tuples(*[st.integers(1, 7)] * 2)


def test_triton_is_there_where_make_test_has_installed_it():
    if os.environ.get('MMDOWNSIZE_NATIVE') != 'required' or sys.platform != 'linux':
        pytest.skip('the environment is not our own: MMDOWNSIZE_NATIVE=required is not set')
    assert missing is None


def of_triton(name):
    # Its compiled part cannot be loaded twice, and does not know of the interpreter.
    return name.split('.')[0] == 'triton' and not name.startswith('triton._C')


@pytest.fixture(scope='module', autouse=True)
def kernels():
    """The kernels, interpreted if there is no GPU. Triton decides that as it is imported, so it is imported afresh."""
    if missing is not None:
        yield None
        return
    triton_backend._kernels.cache_clear()
    if DEVICE == 'cuda':
        yield triton_backend._kernels()
        return
    ours = ('mmdownsize.ops.backends.triton.kernels', 'mmdownsize.ops.backends.triton.coefficients')
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if of_triton(name) or name in ours]:
            patch.delitem(sys.modules, name)
        patch.setenv('TRITON_INTERPRET', '1')
        interpreted = triton_backend._kernels()
        assert interpreted.INTERPRETED
        yield interpreted
        for name in [name for name in sys.modules if of_triton(name) or name in ours]:
            del sys.modules[name]
    triton_backend._kernels.cache_clear()


def fused(images, around, static_logits, texture, normalize):
    return downsize(images, around, static_logits, texture, normalize=normalize, backend='triton')


def run(problem, images=None):
    return problem.run(fused, torch.float32, images, DEVICE)


def assert_same(ours, others):
    assert torch.equal(ours[0], others[0])
    assert all(torch.equal(a, b) for a, b in zip(ours[1], others[1], strict=True))


@needs_triton
@settings(max_examples=20)
@given(
    src_sizes,
    dst_sizes,
    st.tuples(st.sampled_from([2, 4]), st.sampled_from([2, 4])),
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from([1, 3, 4]),
    st.sampled_from([None, 'bilinear', 'area', 'triangle']),
    st.sampled_from(sorted(NORMALIZATIONS)),
)
def test_values_and_gradients_equal_plain_operators_in_float64(
    src_hw, dst_hw, taps, depth, n, channels, kernel, normalize
):
    problem = case(src_hw, dst_hw, taps, depth, n, channels, kernel, normalize, seed=sum(src_hw + dst_hw))
    assert_equal(run(problem), problem.run(dense, torch.float64))


@needs_triton
@pytest.mark.parametrize('normalize', sorted(NORMALIZATIONS))
@pytest.mark.parametrize('kernel', [None, 'area'])
def test_values_and_gradients_equal_those_in_bands(normalize, kernel):
    problem = case((13, 21), (4, 9), (2, 4), n=1, normalize=normalize, kernel=kernel)

    def banded(*given):
        return downsize(*given[:-1], normalize=given[-1], backend='banded')

    assert_equal(run(problem), problem.run(banded, torch.float32))


@needs_triton
@pytest.mark.parametrize('taps', [(6, 6), (8, 8), (2, 6)])
def test_many_neighbours(taps):
    problem = case((11, 13), (4, 5), taps, depth=1, n=1, kernel='area')
    assert_equal(run(problem), problem.run(dense, torch.float64))


@needs_triton
@pytest.mark.parametrize(('normalize', 'level'), [('softmax', -60), ('sigmoid', -20), ('sigmoid', -40)])
def test_what_fills_up_12_neighbours_to_16_has_no_say(normalize, level):
    problem = case((11, 13), (4, 5), (6, 2), depth=0, n=1, kernel='area', normalize=normalize)
    problem.leaves[0] += level  # far below the logits, 0, that are not there; at -40 clipped, and without a gradient
    assert_equal(run(problem), problem.run(dense, torch.float64))


@needs_triton
def test_an_odd_number_of_neighbours():
    images, around, _, texture = arguments(taps=(4, 2))
    parts = {'rows': around.rows[:3], 'weights_y': around.weights_y[:3], 'cols': around.cols[:1]}
    around = dataclasses.replace(around, **parts, weights_x=around.weights_x[:1], kernel=False)
    given = images, around, torch.rand(3, 6, 5), dataclasses.replace(texture, to_logits=torch.rand(3, 16))
    on_device = (to_device(part) for part in given)
    torch.testing.assert_close(fused(*on_device, 'softmax').cpu(), dense(*given, 'softmax'))


def to_device(part):
    if isinstance(part, torch.Tensor):
        return part.to(DEVICE)
    if isinstance(part, list):
        return [to_device(p) for p in part]
    if dataclasses.is_dataclass(part):
        return type(part)(*(to_device(getattr(part, field.name)) for field in dataclasses.fields(part)))
    return part


@needs_triton
@pytest.mark.parametrize('depth', [1, 2])
@pytest.mark.parametrize('programs', [1, 4])
def test_a_program_that_does_many_blocks_adds_them_up(depth, programs, monkeypatch):
    problem = case((7, 60), (3, 25), depth=depth, n=2, kernel='area')
    monkeypatch.setattr(triton_backend, 'PROGRAMS', programs)  # for 6 blocks
    assert_equal(run(problem), problem.run(dense, torch.float64))


@needs_triton
@pytest.mark.parametrize('normalize', sorted(NORMALIZATIONS))
def test_zero_logits_give_the_kernel_and_the_same_gradient_at_its_zeros(normalize):
    problem = case((12, 15), (4, 5), depth=2, normalize=normalize)  # every output pixel lies on a source pixel
    problem.leaves[0].zero_()
    problem.leaves[1].zero_()
    ours = run(problem)
    assert torch.equal(ours[0].double(), problem.images[:, :, 1::3, 1::3])
    assert_equal(ours, problem.run(dense, torch.float64))
    assert ours[1][0].any()


@needs_triton
@pytest.mark.parametrize('normalize', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('size', [1e2, 1e4, 1e30])
@pytest.mark.parametrize('kernel', [None, 'bilinear'])
def test_extreme_logits_stay_in_the_range_of_the_image(normalize, size, kernel):
    problem = case((12, 15), (5, 7), depth=0, kernel=kernel, normalize=normalize)
    problem.leaves[0] *= size
    out, grads = run(problem)
    assert out.min() >= problem.images.min() - 1e-4
    assert out.max() <= problem.images.max() + 1e-4
    assert all(g.isfinite().all() for g in grads)


@needs_triton
def test_two_runs_are_the_same_to_the_last_bit():
    problem = case((14, 25), (5, 8), (4, 4), n=1, kernel='area')
    assert_same(run(problem), run(problem))


@needs_triton
def test_an_image_does_not_depend_on_its_batch():
    problem = case((13, 17), (6, 7), depth=1)
    together, _ = run(problem)
    for i in range(2):
        alone, _ = run(problem, problem.images[i : i + 1].float())
        assert torch.equal(alone[0], together[i])


@needs_triton
@pytest.mark.parametrize('layout', ['channels_last', 'strided', 'expanded'])
def test_memory_layout_does_not_matter(layout):
    problem = case((13, 17), (6, 7), depth=1)
    images = problem.images.float()
    if layout == 'expanded':
        images = images[:1].repeat(2, 1, 1, 1)
    other = {
        'channels_last': images.contiguous(memory_format=torch.channels_last),
        'strided': torch.stack([images, images + 1], -1).flatten(-2)[..., ::2],
        'expanded': images[:1].expand(2, -1, -1, -1),
    }[layout]
    assert other.stride() != images.stride()
    assert_same(run(problem, images), run(problem, other))


@needs_triton
def test_the_layout_of_parameters_and_of_the_grid_does_not_matter():
    problem = case((13, 17), (6, 7), (4, 2), n=1, kernel='area')

    def transposed(t):
        return t.transpose(0, -1).contiguous().transpose(0, -1)

    def scattered(images, around, static_logits, texture, normalize):
        parts = {name: transposed(getattr(around, name)) for name in ('rows', 'cols', 'weights_y', 'weights_x')}
        texture = dataclasses.replace(
            texture, to_logits=transposed(texture.to_logits), weights=[transposed(w) for w in texture.weights]
        )
        return fused(images, dataclasses.replace(around, **parts), transposed(static_logits), texture, normalize)

    assert_same(problem.run(scattered, torch.float32, device=DEVICE), run(problem))


@needs_triton
def test_a_gradient_without_memory_of_its_own_is_understood():
    problem = case((13, 9), (6, 5), n=2)
    around = neighborhood((13, 9), (6, 5), (2, 2), 'bilinear', torch.float32, DEVICE)
    grads = []
    for scale in (torch.ones(()), torch.ones(2, 3, 6, 5)):
        static_logits = problem.leaves[0].to(DEVICE, torch.float32).requires_grad_()
        out = fused(problem.images.to(DEVICE, torch.float32), around, static_logits, None, 'softmax')
        out.backward(scale.to(DEVICE).expand_as(out))
        grads.append(static_logits.grad)
    assert grads[0].any()
    assert torch.equal(*grads)


@needs_triton
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_images_give_half_precision_results(dtype):
    problem = case((13, 9), (6, 5), depth=1)
    images = problem.images.to(dtype)
    out, grads = run(problem, images)
    assert out.dtype == dtype
    expected, _ = run(problem, images.float())
    assert torch.equal(out, expected.to(dtype))
    assert all(g.dtype == torch.float32 for g in grads)


@needs_triton
def test_bytes_give_the_same_to_the_last_bit():
    problem = case((13, 17), (6, 7), n=1)
    whole = problem.images.round().to(torch.uint8)
    ours = run(problem, whole)
    assert ours[0].dtype == torch.float32
    assert_same(ours, run(problem, whole.float()))


def call_with(leaves, images, switch=torch.enable_grad):
    """Return what one call computes, and the features that it was given room for."""
    around = neighborhood((13, 9), (6, 5), (2, 2), 'bilinear', torch.float32, DEVICE)
    static_logits, to_logits, w1, w2, b1, b2 = leaves
    seen = []
    with pytest.MonkeyPatch.context() as patch, switch():
        plain = triton_backend._Call.forward
        patch.setattr(
            triton_backend._Call, 'forward', lambda self, *given: seen.append(given[-1]) or plain(self, *given)
        )
        out = fused(images, around, static_logits, Texture([w1, w2], [b1, b2], to_logits), 'softmax')
    return out, seen[0]


@needs_triton
def test_nothing_is_kept_for_a_backward_pass_that_cannot_come():
    problem = case((13, 9), (6, 5))
    images = problem.images.to(DEVICE, torch.float32)
    frozen = [leaf.to(DEVICE, torch.float32) for leaf in problem.leaves]
    trained = [leaf.clone().requires_grad_() for leaf in frozen]
    assert call_with(frozen, images)[1] is None
    assert call_with(trained, images, torch.no_grad)[1] is None
    assert call_with(trained, images, torch.inference_mode)[1] is None
    out, features = call_with(trained, images)
    assert features.shape == (2, 6, 5, 16)
    assert out.requires_grad


@needs_triton
def test_a_second_backward_pass_over_the_same_graph_gives_the_same():
    problem = case((13, 9), (6, 5))
    leaves = [leaf.to(DEVICE, torch.float32).requires_grad_() for leaf in problem.leaves]
    out, _ = call_with(leaves, problem.images.to(DEVICE, torch.float32))
    first, second = (torch.autograd.grad(out.square().sum(), leaves, retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@needs_triton
@pytest.mark.parametrize('depth', [0, 2])
def test_empty_batch(depth):
    problem = case((13, 9), (6, 5), depth=depth)
    out, grads = run(problem, torch.empty(0, 3, 13, 9))
    assert out.shape == (0, 3, 6, 5)
    assert [g.shape for g in grads] == [leaf.shape for leaf in problem.leaves]
    assert not any(g.any() for g in grads)


@needs_triton
@pytest.mark.parametrize('normalize', sorted(NORMALIZATIONS))
def test_a_pixel_that_is_not_a_number_is_not_hidden(normalize):
    problem = case((13, 9), (6, 5), depth=2, normalize=normalize)
    images = problem.images.float()
    images[0, 1, 7, 4] = float('nan')
    ours, _ = run(problem, images)
    expected, _ = problem.run(dense, torch.float64, images=images.double())
    assert torch.equal(ours.isnan(), expected.isnan())
    assert ours[0].isnan().any()
    assert not ours[1].isnan().any()


@needs_triton
def test_inputs_are_not_modified():
    problem = case((13, 9), (6, 5))
    images = problem.images.to(DEVICE, torch.float32)
    before = images.clone(), [leaf.clone() for leaf in problem.leaves]
    run(problem, images)
    assert torch.equal(images, before[0])
    assert all(torch.equal(a, b) for a, b in zip(problem.leaves, before[1]))


@needs_triton
def test_a_downsizer_trains_as_it_does_in_bands():
    images = torch.randint(0, 256, (2, 3, 15, 22), dtype=torch.uint8, device=DEVICE)
    results = []
    for backend in ('triton', 'banded'):
        torch.manual_seed(1)
        net = DownsizeNet(backend=backend, normalize='sigmoid', start='random').to(DEVICE)
        out = net(images.float(), (6, 8))
        out.square().mean().backward()
        results.append((out.detach(), [p.grad for p in net.parameters()]))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-3)


def refused():
    yield 'float64', arguments(torch.float64)
    yield 'the images are on meta, other tensors on cpu', (arguments()[0].to('meta'), *arguments()[1:])
    yield '16 channels, not 8', arguments(channels=8)
    yield 'up to 7 channels, not 8', arguments(image_channels=8)
    yield 'up to 2 convolutions, not 3', arguments(depth=3)
    yield 'up to 64 neighbours, not 80', arguments(taps=(10, 8))
    images, *rest = arguments()
    yield 'no gradient of the images', (images.requires_grad_(), *rest)
    images, around, static_logits, texture = arguments()
    yield 'the weights are torch.bfloat16', (images, around, static_logits.bfloat16(), texture)
    double = dataclasses.replace(around, weights_y=around.weights_y.double())
    yield 'the weights are torch.float64', (images, double, static_logits, texture)
    elsewhere = dataclasses.replace(around, rows=around.rows.to('meta'))
    yield 'the images are on cpu, other tensors on meta', (images, elsewhere, static_logits, texture)
    yield 'plain tensors, not Odd', (torch.Tensor._make_subclass(Odd, images), around, static_logits, texture)


class Odd(torch.Tensor):
    """A subclass that a kernel would not notice."""


@pytest.mark.parametrize(('reason', 'arguments'), refused())
def test_what_it_cannot_do_is_refused_by_name(reason, arguments):
    with pytest.raises(ValueError, match=f"backend='triton' cannot be used here: .*{reason}.*; backend='auto' takes"):
        downsize(*arguments, backend='triton')


def test_what_is_too_large_to_count_in_32_bits_is_refused(monkeypatch):
    monkeypatch.setattr(triton_backend, 'MAX_OFFSET', 400)
    with pytest.raises(ValueError, match='images and maps of up to 400 numbers, not 480'):  # 16 features at 6 x 5
        downsize(*arguments(), backend='triton')
    monkeypatch.setattr(triton_backend, 'MAX_OFFSET', 600)
    _, *rest = arguments()
    apart = torch.zeros(1, 3, 13, 18)[..., ::2]  # 3 * 13 * 18, less what lies behind the last
    with pytest.raises(ValueError, match='images and maps of up to 600 numbers, not 700'):
        downsize(apart, *rest, backend='triton')


@needs_triton
def test_images_on_a_cpu_are_refused_by_compiled_kernels(monkeypatch, kernels):
    monkeypatch.setattr(kernels, 'INTERPRETED', False)
    with pytest.raises(ValueError, match='it runs on a GPU, the images are on cpu'):
        downsize(*arguments(), backend='triton')


@pytest.fixture
def unchecked(monkeypatch):
    """'auto' as on a GPU, before it has seen any problem."""
    monkeypatch.delenv(triton_check.SWITCH, raising=False)
    monkeypatch.setattr(native, 'refusal', lambda *_: 'for this test')
    triton_check._failure.cache_clear()
    yield monkeypatch
    triton_check._failure.cache_clear()


@needs_triton
@pytest.mark.parametrize('normalize', NORMALIZATIONS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize(('depth', 'taps', 'kernel'), [(2, (2, 2), True), (1, (4, 2), False), (0, (2, 2), True)])
def test_a_right_kernel_passes_its_check(normalize, dtype, depth, taps, kernel):
    kind = triton_check.Kind(torch.device(DEVICE), dtype, 3, depth, taps, kernel, normalize, trains=True)
    assert triton_check.largest_difference(kind) < 1e-5


@needs_triton
def test_auto_takes_it_where_it_has_passed_its_check(unchecked):
    given = [part.to(DEVICE) if isinstance(part, torch.Tensor) else part for part in arguments()]
    checked = []
    whole = triton_check.largest_difference
    unchecked.setattr(triton_check, 'largest_difference', lambda kind: checked.append(kind) or whole(kind))
    by_triton = triton_backend.downsize
    calls = []
    unchecked.setattr(triton_backend, 'downsize', lambda *args: calls.append(args[0].shape) or by_triton(*args))
    with torch.no_grad():
        state = torch.get_rng_state()
        for _ in range(2):
            downsize(*given)
        assert torch.equal(torch.get_rng_state(), state)
        downsize(*given, normalize='sigmoid')
    assert [kind.normalize for kind in checked] == ['softmax', 'sigmoid']  # once for each kind
    assert not any(kind.trains for kind in checked)
    assert calls.count(given[0].shape) == 3  # and the problem itself every time


@needs_triton
@pytest.mark.parametrize('wrong', ['value', 'gradient', 'not a number', 'raises'])
def test_auto_does_not_take_a_kernel_that_fails_its_check(wrong, unchecked):
    right = triton_backend.downsize

    def broken(images, around, static_logits, texture, normalize):
        if wrong == 'raises':
            raise RuntimeError('PTXAS error\nand many lines more')
        out = right(images, around, static_logits, texture, normalize)
        factor = {'value': 1.01, 'gradient': 1.0, 'not a number': float('nan')}[wrong]
        out = factor * out
        return out + 0.01 * (out - out.detach()) if wrong == 'gradient' else out

    unchecked.setattr(triton_backend, 'downsize', broken)
    images, around, static_logits, texture = arguments()
    given = images.to(DEVICE), around, static_logits.requires_grad_(), texture
    message = 'RuntimeError: PTXAS error. PyTorch' if wrong == 'raises' else 'it differs from plain operators by'
    with pytest.warns(UserWarning, match=message):
        out = downsize(*given)
    assert torch.equal(out, downsize(*given, backend='banded'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # it is said once
        downsize(*given)


@needs_triton
def test_a_switch_keeps_auto_from_it(unchecked):
    unchecked.setenv(triton_check.SWITCH, '0')
    unchecked.setattr(triton_backend, 'downsize', None)
    given = arguments()
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # it is not even checked
        out = downsize(*given)
    assert torch.equal(out, downsize(*given, backend='banded'))


def test_auto_takes_another_where_it_refuses(unchecked):
    given = arguments(depth=3)
    assert 'not 3' in triton_backend.refusal(*given)
    assert torch.equal(downsize(*given), downsize(*given, backend='banded'))


@needs_triton
def test_without_triton_another_is_used(unchecked):
    unchecked.setattr(triton_backend.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match="it needs Triton, which comes with PyTorch's builds for CUDA"):
        downsize(*arguments(), backend='triton')
    given = arguments()
    torch.testing.assert_close(downsize(*given), downsize(*given, backend='dense'))


@pytest.fixture(scope='module')
def machine_code(tmp_path_factory):
    """What the kernels take of GPUs that are not here, by a process in which Triton does not interpret."""
    folder = tmp_path_factory.mktemp('triton')
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TRITON_CACHE_DIR': str(folder / 'cache')}
    environment.pop('TRITON_INTERPRET', None)
    labels = (
        '2 convs, 2x2',
        '2 convs, 8x8, sigmoid',
        '2 convs, 2x2, signed, 7 colours',
        '1 conv, 2x2',
        'no texture, 2x2',
    )
    only = [part for label in labels for part in ('--only', label)]
    command = [sys.executable, ROOT / 'benchmarks' / 'triton_resources.py', *only, '--json', folder / 'numbers.json']
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads((folder / 'numbers.json').read_text())['rows']
    assert {row['downsizer'] for row in rows} == set(labels)
    return rows


@needs_triton
@pytest.mark.parametrize('capability', [80, 90])
def test_every_kernel_compiles_to_machine_code_without_spilling_registers(machine_code, capability):
    rows = [row for row in machine_code if row['capability'] == capability]
    assert {row['kernel'] for row in rows} == {'forward', 'logits_backward', 'texture_backward'}
    assert all(0 < row['registers'] <= 255 and row['spilled'] == 0 for row in rows)
    assert all(row['shared'] <= 48 * 1024 for row in rows)  # what any GPU grants a program


@needs_triton
def test_machine_code_multiplies_in_float32_and_adds_in_a_fixed_order(machine_code):
    assert all(row['multiply-adds'] > 0 for row in machine_code)
    assert not any(row['tensor core products'] or row['atomics'] for row in machine_code)
