"""ImportanceResizer's compiled back end against plain operators in float64: values, gradients, threads, and what it refuses."""

import dataclasses
import os
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.ops import get_kernel
from mmdownsize.ops.backends import native_importance as native
from mmdownsize.ops.importance import Score, importance_resize
from mmdownsize.ops.separable import axis_of
from mmdownsize.resizers import ImportanceResizer

missing = native.unavailable()
needs_library = pytest.mark.skipif(missing is not None, reason=f'no compiled back end: {missing}')

KERNELS = ('area', 'triangle', 'bilinear', 'nearest')
lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)


@dataclasses.dataclass
class Case:
    """A problem in float64, and the same in float32."""

    images: torch.Tensor
    score: Score
    parameters: list
    dst_hw: tuple
    kernel: str

    def run(self, backend, dtype, images=None, instruction_set=None):
        """Return the output and the gradients of the parameters."""
        leaves = [p.detach().to(dtype).requires_grad_() for p in self.parameters]
        score = dataclasses.replace(self.score, dtype=dtype)
        images = self.images.to(dtype) if images is None else images
        if instruction_set is None:
            out = importance_resize(images, score, leaves, self.dst_hw, kernel=self.kernel, backend=backend)
        else:
            sides = zip(images.shape[2:], self.dst_hw)
            axes = [axis_of(get_kernel(self.kernel), src, dst, torch.empty(0)) for src, dst in sides]
            out = native.resize(images, score, leaves, axes, instruction_set)
        direction = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        return out.detach(), torch.autograd.grad(out, leaves, direction.to(out))


def case(
    src_hw, dst_hw, *, depth=1, channels=8, dilation=1, kernel='area', per_channel=False, n=2, image_channels=3,
    limit=4.0, seed=0,
):  # fmt: skip
    """Return a problem whose features are small multiples of a power of two: where a ReLU is open does not depend on rounding."""
    generator = torch.Generator().manual_seed(seed)

    def multiples(*shape):
        return torch.randint(-4, 5, shape, generator=generator).double() / 8

    parameters = []
    for i, o in pairwise([image_channels] + [channels] * depth):
        keep = torch.rand(o, i, 3, 3, generator=generator) < (0.4 if i == image_channels else 0.15)
        parameters += [multiples(o, i, 3, 3) * keep, multiples(o)]
    scores = image_channels if per_channel else 1
    parameters += [torch.randn(scores, channels, generator=generator).double() * 0.3 / depth]
    parameters += [torch.randn(scores, generator=generator).double()]
    images = torch.randint(0, 256, (n, image_channels, *src_hw), generator=generator).double()
    dilations = (1, *[dilation] * (depth - 1))
    score = Score(dilations, limit, shift=128.0, gain=2 / 256, dtype=torch.float64)
    return Case(images, score, parameters, dst_hw, kernel)


def assert_equal(ours, expected, tolerance=2e-5):
    (out, grads), (other, others) = ours, expected
    torch.testing.assert_close(out.double(), other.double(), rtol=tolerance, atol=tolerance * 30)
    for gradient, reference in zip(grads, others, strict=True):
        size = other.numel() ** 0.5 + reference.abs().max()  # with one neighbour alone what remains is rounding
        assert (gradient.double() - reference.double()).abs().max() <= 3 * tolerance * size


def test_the_library_is_there_where_make_test_has_built_it():
    if os.environ.get('MMDOWNSIZE_NATIVE') != 'required':
        pytest.skip('the environment is not our own: MMDOWNSIZE_NATIVE=required is not set')
    assert missing is None


@needs_library
@settings(max_examples=150)
@given(
    sizes,
    sizes,
    st.integers(1, 3),
    st.sampled_from([1, 4, 6, 8, 16]),
    st.integers(1, 3),
    st.sampled_from(KERNELS),
    st.booleans(),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 2),
)
def test_values_and_gradients_equal_plain_operators_in_float64(
    src_hw, dst_hw, depth, channels, dilation, kernel, per_channel, image_channels, instruction_set
):
    problem = case(
        src_hw,
        dst_hw,
        depth=depth,
        channels=channels,
        dilation=dilation,
        kernel=kernel,
        per_channel=per_channel,
        image_channels=image_channels,
        seed=sum(src_hw + dst_hw),
    )
    ours = problem.run('native', torch.float32, instruction_set=min(instruction_set, native.instructions()))
    assert_equal(ours, problem.run('dense', torch.float64))


@needs_library
@pytest.mark.parametrize('ratio', [1, 2, 3, 4, 5, 6, 7, 8, 11])
@pytest.mark.parametrize('channels', [8, 16])
def test_block_means(ratio, channels):
    problem = case((5 * ratio, 19 * ratio), (5, 19), channels=channels)
    assert_equal(problem.run('native', torch.float32), problem.run('dense', torch.float64))


@needs_library
@pytest.mark.parametrize('depth', [1, 3])
@pytest.mark.parametrize('kernel', KERNELS)
@pytest.mark.parametrize(
    ('src_hw', 'dst_hw'),
    [
        ((31, 700), (17, 267)),  # tiles side by side
        ((12, 1100), (4, 275)),  # of block means
        ((9, 600), (40, 1500)),  # upsizing: an output row's sources are in many rows
        ((300, 20), (60, 11)),  # tiles below each other
        ((200, 33), (20, 3)),
        ((64, 65), (64, 65)),
        ((1, 1), (1, 1)),
    ],
)
def test_tiles_fit_together(src_hw, dst_hw, depth, kernel):
    problem = case(src_hw, dst_hw, depth=depth, dilation=2, kernel=kernel)
    assert_equal(problem.run('native', torch.float32), problem.run('dense', torch.float64))


@needs_library
@pytest.mark.parametrize('limit', [0.01, 1.0, 4.0, 40.0])
@pytest.mark.parametrize('size', [0.0, 1e-3, 1.0, 30.0, 1e30])
def test_scores_of_any_size(limit, size):
    problem = case((24, 36), (6, 9), limit=limit)
    problem.parameters[-2] *= size
    problem.parameters[-1] *= size
    ours, expected = problem.run('native', torch.float32), problem.run('dense', torch.float64)
    assert all(g.isfinite().all() for g in ours[1])
    low, high = problem.images.amin(), problem.images.amax()
    assert low - 1e-3 <= ours[0].min() <= ours[0].max() <= high + 1e-3
    if size <= 1:
        assert_equal(ours, expected, tolerance=2e-5 * max(1.0, limit))


@needs_library
@pytest.mark.parametrize('kernel', KERNELS)
def test_without_a_score_it_is_the_kernel(kernel):
    problem = case((24, 37), (6, 9), kernel=kernel)
    problem.parameters[-2].zero_()
    problem.parameters[-1].zero_()
    ours, expected = problem.run('native', torch.float32), problem.run('dense', torch.float64)
    assert_equal(ours, expected)
    assert ours[1][-2].any() or kernel == 'nearest'
    assert not any(g.any() for g in ours[1][:-2])  # the convolutions wait for a score


@needs_library
@pytest.mark.parametrize('value', [0, 17, 255])
def test_a_constant_image_stays_constant(value):
    problem = case((24, 36), (6, 9))
    problem.images = torch.full_like(problem.images, value)
    out, _ = problem.run('native', torch.float32)
    torch.testing.assert_close(out, torch.full_like(out, value), rtol=1e-6, atol=0)


@needs_library
@pytest.mark.parametrize('start', ['darkest', 'brightest'])
@pytest.mark.parametrize('num_convs', [1, 2])
def test_the_module_starts_at_a_tone(start, num_convs):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 36, 51) * 255
    arguments = dict(num_convs=num_convs, channels=8, start=start, dilation=num_convs)
    net = ImportanceResizer(**arguments, backend='native')
    other = ImportanceResizer(**arguments, backend='dense').double()
    other.load_state_dict(net.state_dict())
    ours, expected = net(images, (12, 17)), other(images.double(), (12, 17))
    torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=1e-3)
    (ours * images[:, :, :12, :17]).sum().backward()
    (expected * images[:, :, :12, :17]).sum().backward()
    for parameter, reference in zip(net.parameters(), other.parameters()):
        close = 1e-4 * reference.grad.abs().max().item()
        torch.testing.assert_close(parameter.grad.double(), reference.grad, rtol=0, atol=close)


@needs_library
@pytest.mark.parametrize('depth', [1, 2])
def test_results_do_not_depend_on_the_number_of_threads(depth):
    problem = case((170, 700), (61, 230), depth=depth)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(problem.run('native', torch.float32))
    finally:
        torch.set_num_threads(before)
    for out, grads in results[1:]:
        assert torch.equal(out, results[0][0])
        assert all(torch.equal(a, b) for a, b in zip(grads, results[0][1]))


@needs_library
def test_an_image_does_not_depend_on_its_batch():
    problem = case((30, 41), (17, 23), n=3, depth=2)
    together, _ = problem.run('native', torch.float32)
    for i in range(3):
        alone, _ = problem.run('native', torch.float32, images=problem.images[i : i + 1].float())
        assert torch.equal(alone[0], together[i])


@needs_library
@pytest.mark.parametrize('layout', ['channels_last', 'strided', 'expanded'])
def test_memory_layout_does_not_matter(layout):
    problem = case((30, 41), (17, 23))
    images = problem.images.float()
    if layout == 'expanded':
        images = images[:1].expand(2, -1, -1, -1).contiguous()
    other = {
        'channels_last': images.contiguous(memory_format=torch.channels_last),
        'strided': torch.stack([images, images + 1], -1).flatten(-2)[..., ::2],
        'expanded': images[:1].expand(2, -1, -1, -1),
    }[layout]
    (a, by_a), (b, by_b) = (problem.run('native', torch.float32, images=x) for x in (images, other))
    assert torch.equal(a, b)
    assert all(torch.equal(x, y) for x, y in zip(by_a, by_b))


@needs_library
@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((13, 230), (6, 105)), ((24, 36), (6, 9))])
def test_bytes_give_the_same_to_the_last_bit(src_hw, dst_hw):
    problem = case(src_hw, dst_hw, depth=2)
    whole = problem.images.to(torch.uint8)
    (out, grads), (other, others) = (problem.run('native', torch.float32, images=x) for x in (whole, whole.float()))
    assert out.dtype == torch.float32
    assert torch.equal(out, other)
    assert all(torch.equal(a, b) for a, b in zip(grads, others))


@needs_library
def test_a_result_may_be_changed_before_the_backward_pass():
    problem = case((13, 9), (6, 5))
    images = problem.images.float()
    grads = []
    for change in (torch.Tensor.mul, torch.Tensor.mul_):
        leaves = [p.float().requires_grad_() for p in problem.parameters]
        score = dataclasses.replace(problem.score, dtype=torch.float32)
        out = importance_resize(images, score, leaves, problem.dst_hw, backend='native')
        grads.append(torch.autograd.grad(change(out, 2).sum(), leaves))
    assert all(torch.equal(a, b) for a, b in zip(*grads))


@needs_library
def test_nothing_is_kept_for_a_backward_pass_that_cannot_come():
    problem = case((13, 9), (6, 5))
    parameters = [p.float() for p in problem.parameters]
    score = dataclasses.replace(problem.score, dtype=torch.float32)
    out = importance_resize(problem.images.float(), score, parameters, (6, 5), backend='native')
    assert out.grad_fn is None
    with torch.inference_mode():
        inference = importance_resize(problem.images.float(), score, parameters, (6, 5), backend='native')
    assert torch.equal(out, inference)


@needs_library
def test_frozen_parameters_get_no_gradient():
    net = ImportanceResizer(channels=4, backend='native')
    net.texture.requires_grad_(False)
    net(torch.rand(1, 3, 12, 12) * 255, (4, 4)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is not None] == ['tone', 'score.weight']


@needs_library
def test_empty_batch():
    out, grads = case((13, 9), (6, 5)).run('native', torch.float32, images=torch.empty(0, 3, 13, 9))
    assert out.shape == (0, 3, 6, 5)
    assert not any(g.any() for g in grads)


@needs_library
def test_a_pixel_that_is_not_a_number_is_not_hidden():
    problem = case((12, 15), (4, 5), depth=2)
    images = problem.images.float()
    images[0, 1, 7, 4] = float('nan')
    ours, _ = problem.run('native', torch.float32, images=images)
    expected, _ = problem.run('dense', torch.float64, images=images.double())
    assert torch.equal(ours.isnan(), expected.isnan())
    assert ours[0].isnan().any()
    assert not ours[1].isnan().any()


@needs_library
def test_inputs_are_not_modified():
    problem = case((13, 9), (6, 5), depth=2)
    images = problem.images.float()
    before = images.clone(), [p.clone() for p in problem.parameters]
    problem.run('native', torch.float32, images=images)
    assert torch.equal(images, before[0])
    assert all(torch.equal(a, b) for a, b in zip(problem.parameters, before[1]))


class Odd(torch.Tensor):
    """A subclass that ctypes would not notice."""


def refused():
    images, wide = torch.rand(1, 3, 13, 9) * 255, torch.rand(1, 17, 13, 9) * 255
    yield 'these are torch.float64', ImportanceResizer().double(), images.double()
    yield 'these are torch.bfloat16', ImportanceResizer(), images.bfloat16()
    yield 'the convolutions are torch.bfloat16', ImportanceResizer().bfloat16(), images
    yield 'images of up to 16 channels, not 17', ImportanceResizer(in_channels=17), wide
    yield 'convolutions of up to 64 channels, not 68', ImportanceResizer(channels=68), images
    yield 'no gradient of the images', ImportanceResizer(), images.clone().requires_grad_()
    yield 'plain tensors, not Odd', ImportanceResizer(), torch.Tensor._make_subclass(Odd, images)


@needs_library
@pytest.mark.parametrize(('reason', 'net', 'images'), refused())
def test_what_it_cannot_do_is_refused_by_name_or_done_by_another(reason, net, images):
    net.backend = 'native'
    with pytest.raises(ValueError, match=f"backend='native' cannot be used here: .*{reason}.*; backend='auto' takes"):
        net.resize(images, (6, 5))
    net.backend = 'auto'
    automatic = net.resize(images, (6, 5))
    net.backend = 'banded'
    assert torch.equal(automatic, net.resize(images, (6, 5)))


def test_other_devices_are_refused():
    problem = case((13, 9), (6, 5))
    images, parameters = problem.images.float(), [p.float() for p in problem.parameters]
    score = dataclasses.replace(problem.score, dtype=torch.float32)
    reason = 'it runs on a CPU, and tensors are on meta'
    assert native.refusal(images.to('meta'), score, parameters) == reason
    assert native.refusal(images, score, [p.to('meta') for p in parameters]) == reason


@needs_library
def test_autocast_is_refused_or_done_by_another():
    net = ImportanceResizer(backend='native')
    images = torch.rand(1, 3, 13, 9) * 255
    with torch.autocast('cpu', torch.bfloat16):
        with pytest.raises(ValueError, match='the convolutions are'):
            net(images, (6, 5))
        net.backend = 'auto'
        assert net(images, (6, 5)).isfinite().all()


@needs_library
@pytest.mark.parametrize('at', range(4))
def test_tensors_that_do_not_fit_are_refused_before_anything_is_read(at):
    problem = case((13, 9), (6, 5))
    parameters = [p.float() for p in problem.parameters]
    parameters[at] = parameters[at][..., :-1]
    score = dataclasses.replace(problem.score, dtype=torch.float32)
    with pytest.raises(ValueError, match='do not fit 1 convolutions of images'):
        importance_resize(problem.images.float(), score, parameters, (6, 5), backend='native')


def test_unknown_names_are_refused():
    problem = case((13, 9), (6, 5))
    with pytest.raises(ValueError, match="unknown backend 'cuda', choose one of auto, native, banded, dense"):
        problem.run('cuda', torch.float32)
    with pytest.raises(ValueError, match='cuda'):
        ImportanceResizer(backend='cuda')


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_while_tracing_plain_operators_are_recorded():
    net = ImportanceResizer().requires_grad_(False)
    images = torch.rand(1, 3, 13, 9) * 255
    with torch.no_grad():
        traced = torch.jit.trace(lambda x: net.resize(x, (6, 5)), images, check_trace=False)
    assert not any('Python' in node.kind() for node in traced.graph.nodes())
    other = torch.rand_like(images) * 255
    torch.testing.assert_close(traced(other), net(other, (6, 5)), rtol=1e-5, atol=1e-3)
    net.backend = 'native'
    with pytest.raises(ValueError, match="backend='native' cannot be used here: a graph is being traced"):
        torch.jit.trace(lambda x: net.resize(x, (6, 5)), images, check_trace=False)


def test_without_the_library_another_is_used_and_that_is_said_once(monkeypatch):
    monkeypatch.setattr(native.LIBRARY, 'load', lambda: (None, 'for this test'))
    native.LIBRARY.warn_of_absence.cache_clear()
    net, images = ImportanceResizer(), torch.rand(1, 3, 13, 9) * 255
    try:
        with pytest.warns(UserWarning, match='is missing and a slower one is used: for this test'):
            out = net(images, (6, 5))
        net.backend = 'banded'
        assert torch.equal(out, net(images, (6, 5)))
        net.backend = 'native'
        with pytest.raises(ValueError, match='for this test'):
            net(images, (6, 5))
    finally:
        native.LIBRARY.warn_of_absence.cache_clear()


@needs_library
@pytest.mark.parametrize('fails', ['mmdownsize_importance_forward', 'mmdownsize_importance_backward'])
def test_running_out_of_memory_is_an_error(fails, monkeypatch):
    library, _ = native.LIBRARY.load()

    class Failing:
        def __getattr__(self, name):
            return (lambda *_: 1) if name == fails else getattr(library, name)

    monkeypatch.setattr(native.LIBRARY, 'load', lambda: (Failing(), ''))
    with pytest.raises(MemoryError, match=fails):
        case((13, 9), (6, 5)).run('native', torch.float32)
