"""The compiled back end against plain operators in float64: values, gradients, layouts, threads, and what it refuses."""

import dataclasses
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdownsize.ops import NORMALIZATIONS, Texture, downsize
from mmdownsize.ops.backends import native
from tests.ops.problems import arguments, assert_equal, case, dense, neighborhood

missing = native.unavailable()
needs_library = pytest.mark.skipif(missing is not None, reason=f'no compiled back end: {missing}')

lengths = st.integers(1, 40) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
normalizations = st.sampled_from(sorted(NORMALIZATIONS))


def test_the_library_is_there_where_make_test_has_built_it():
    if os.environ.get('MMDOWNSIZE_NATIVE') != 'required':
        pytest.skip('the environment is not our own: MMDOWNSIZE_NATIVE=required is not set')
    assert missing is None


def compiled(images, around, static_logits, texture, normalize):
    return downsize(images, around, static_logits, texture, normalize=normalize, backend='native')


def with_instructions(number):
    return lambda *arguments: native.downsize(*arguments, instruction_set=number)


@needs_library
@settings(max_examples=120)
@given(
    sizes,
    sizes,
    st.tuples(st.sampled_from([2, 4, 6]), st.sampled_from([2, 4, 6])),
    st.integers(0, 4),
    st.integers(1, 3),
    st.sampled_from([1, 3, 4]),
    st.sampled_from([None, 'bilinear', 'area', 'triangle']),
    normalizations,
    st.integers(0, 2),
)
def test_values_and_gradients_equal_plain_operators_in_float64(
    src_hw, dst_hw, taps, depth, n, channels, kernel, normalize, instruction_set
):
    problem = case(src_hw, dst_hw, taps, depth, n, channels, kernel, normalize, seed=sum(src_hw + dst_hw))
    call = with_instructions(min(instruction_set, native.instructions()))
    assert_equal(problem.run(call, torch.float32), problem.run(dense, torch.float64))


@needs_library
@pytest.mark.parametrize('depth', [1, 2, 4])
@pytest.mark.parametrize(
    ('src_hw', 'dst_hw'),
    [
        ((31, 500), (17, 267)),  # two tiles side by side
        ((12, 900), (4, 385)),  # three, the last of a pixel more than 16s
        ((300, 20), (160, 11)),  # many below each other
        ((200, 33), (20, 3)),  # most source pixels are not needed
        ((9, 100), (30, 400)),  # upsizing: features are shared
        ((64, 64), (64, 64)),
    ],
)
def test_tiles_fit_together(src_hw, dst_hw, depth):
    problem = case(src_hw, dst_hw, (4, 2), depth, kernel='area')
    assert_equal(problem.run(compiled, torch.float32), problem.run(dense, torch.float64))


@needs_library
@pytest.mark.parametrize('normalize', sorted(NORMALIZATIONS))
def test_zero_logits_give_the_kernel_and_the_same_gradient_at_its_zeros(normalize):
    problem = case((12, 15), (4, 5), depth=2, normalize=normalize)  # every output pixel lies on a source pixel
    problem.leaves[0].zero_()
    problem.leaves[1].zero_()
    ours, expected = problem.run(compiled, torch.float32), problem.run(dense, torch.float64)
    assert torch.equal(ours[0].double(), problem.images[:, :, 1::3, 1::3])
    assert_equal(ours, expected)
    assert ours[1][0].any()


@needs_library
@pytest.mark.parametrize('normalize', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('size', [1e2, 1e4, 1e30])
@pytest.mark.parametrize('kernel', [None, 'bilinear'])
def test_extreme_logits_stay_in_the_range_of_the_image(normalize, size, kernel):
    problem = case((12, 15), (5, 7), depth=1, kernel=kernel, normalize=normalize)
    problem.leaves[0] *= size
    out, grads = problem.run(compiled, torch.float32)
    assert out.min() >= problem.images.min() - 1e-4
    assert out.max() <= problem.images.max() + 1e-4
    assert all(g.isfinite().all() for g in grads)


@needs_library
def test_results_do_not_depend_on_the_number_of_threads():
    problem = case((70, 400), (37, 230), (4, 4), 3, kernel='area')
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(problem.run(compiled, torch.float32))
    finally:
        torch.set_num_threads(before)
    for out, grads in results[1:]:
        assert torch.equal(out, results[0][0])
        assert all(torch.equal(a, b) for a, b in zip(grads, results[0][1]))


@needs_library
def test_an_image_does_not_depend_on_its_batch():
    problem = case((30, 41), (17, 23), n=3, depth=2)
    together, _ = problem.run(compiled, torch.float32)
    for i in range(3):
        alone, _ = problem.run(compiled, torch.float32, images=problem.images[i : i + 1].float())
        assert torch.equal(alone[0], together[i])


@needs_library
@pytest.mark.parametrize('layout', ['channels_last', 'strided', 'expanded'])
def test_memory_layout_does_not_matter(layout):
    problem = case((30, 41), (17, 23), n=2)
    images = problem.images.float()
    if layout == 'expanded':
        problem.images = problem.images[:1].expand(2, -1, -1, -1)
        images = problem.images.float().contiguous()
    other = {
        'channels_last': images.contiguous(memory_format=torch.channels_last),
        'strided': torch.stack([images, images + 1], -1).flatten(-2)[..., ::2],
        'expanded': images[:1].expand(2, -1, -1, -1),
    }[layout]
    (a, by_a), (b, by_b) = (problem.run(compiled, torch.float32, images=x) for x in (images, other))
    assert torch.equal(a, b)
    assert all(torch.equal(x, y) for x, y in zip(by_a, by_b))


@needs_library
def test_a_gradient_without_memory_of_its_own_is_understood():
    problem = case((13, 9), (6, 5), n=2)
    around = neighborhood((13, 9), (6, 5), (2, 2), 'bilinear', torch.float32)
    grads = []
    for scale in (torch.ones(()), torch.ones(2, 3, 6, 5)):
        static_logits = problem.leaves[0].float().requires_grad_()
        out = compiled(problem.images.float(), around, static_logits, None, 'softmax')
        out.backward(scale.expand_as(out))
        grads.append(static_logits.grad)
    assert torch.equal(*grads)


@needs_library
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_images_give_half_precision_results(dtype):
    problem = case((13, 9), (6, 5))
    images = problem.images.to(dtype)
    out, grads = problem.run(compiled, torch.float32, images=images)
    assert out.dtype == dtype
    expected, _ = problem.run(compiled, torch.float32, images=images.float())
    torch.testing.assert_close(out, expected.to(dtype), rtol=0, atol=0)
    assert all(g.dtype == torch.float32 for g in grads)


@needs_library
def test_bytes_give_the_same_to_the_last_bit():
    problem = case((13, 230), (6, 105), depth=2)
    whole = problem.images.round().to(torch.uint8)
    (out, grads), (other, others) = (problem.run(compiled, torch.float32, images=x) for x in (whole, whole.float()))
    assert out.dtype == torch.float32
    assert torch.equal(out, other)
    assert all(torch.equal(a, b) for a, b in zip(grads, others))
    plain, _ = problem.run(dense, torch.float32, images=whole)
    torch.testing.assert_close(plain, out, rtol=1e-5, atol=1e-4)


@needs_library
def test_nothing_is_kept_for_a_backward_pass_that_cannot_come():
    problem = case((13, 9), (6, 5))
    around = neighborhood((13, 9), (6, 5), (2, 2), 'bilinear', torch.float32)
    static_logits, to_logits, w1, w2, b1, b2 = (leaf.float() for leaf in problem.leaves)
    out = compiled(problem.images.float(), around, static_logits, Texture([w1, w2], [b1, b2], to_logits), 'softmax')
    assert out.grad_fn is None


@needs_library
@pytest.mark.parametrize('gradients', [True, False])
def test_features_are_kept_only_where_a_gradient_may_be_taken(gradients, monkeypatch):
    kept, run = [], native._Call.run
    monkeypatch.setattr(
        native._Call, 'run', lambda *args, **tensors: kept.append(tensors.get('features')) or run(*args, **tensors)
    )
    problem = case((13, 9), (6, 5))
    around = neighborhood((13, 9), (6, 5), (2, 2), 'bilinear', torch.float32)
    static_logits, to_logits, w1, w2, b1, b2 = (leaf.float().requires_grad_() for leaf in problem.leaves)
    with torch.set_grad_enabled(gradients):  # the weights are trainable either way
        compiled(problem.images.float(), around, static_logits, Texture([w1, w2], [b1, b2], to_logits), 'softmax')
    assert [features is not None for features in kept] == [gradients]


@needs_library
def test_empty_batch():
    problem = case((13, 9), (6, 5))
    out, grads = problem.run(compiled, torch.float32, images=torch.empty(0, 3, 13, 9))
    assert out.shape == (0, 3, 6, 5)
    assert not any(g.any() for g in grads)


@needs_library
def test_a_pixel_that_is_not_a_number_is_not_hidden():
    problem = case((13, 9), (6, 5), depth=2)
    images = problem.images.float()
    images[0, 1, 7, 4] = float('nan')
    ours, _ = problem.run(compiled, torch.float32, images=images)
    expected, _ = problem.run(dense, torch.float64, images=images.double())
    assert torch.equal(ours.isnan(), expected.isnan())
    assert not ours[1].isnan().any()


@needs_library
def test_inputs_are_not_modified():
    problem = case((13, 9), (6, 5))
    images = problem.images.float()
    before = images.clone(), [leaf.clone() for leaf in problem.leaves]
    problem.run(compiled, torch.float32, images=images)
    assert torch.equal(images, before[0])
    assert all(torch.equal(a, b) for a, b in zip(problem.leaves, before[1]))


def refused():
    yield 'float64', arguments(torch.float64)
    yield 'meta', tuple(t.to('meta') if isinstance(t, torch.Tensor) else t for t in arguments())
    yield '16 channels, not 8', arguments(channels=8)
    yield 'up to 16 channels, not 17', arguments(image_channels=17)
    yield 'up to 4 convolutions, not 5', arguments(depth=5)
    yield '64 neighbours an axis, not 66', arguments(taps=(66, 2))
    images, *rest = arguments()
    yield 'no gradient of the images', (images.requires_grad_(), *rest)
    images, around, static_logits, texture = arguments()
    yield 'the weights are torch.bfloat16', (images, around, static_logits.bfloat16(), texture)
    double = dataclasses.replace(around, weights_y=around.weights_y.double())
    yield 'the weights are torch.float64', (images, double, static_logits, texture)
    odd = dataclasses.replace(around, cols=around.cols[:1], weights_x=around.weights_x[:1])
    yield (
        'even number of neighbours',
        (images, odd, static_logits[:2], dataclasses.replace(texture, to_logits=torch.zeros(2, 16))),
    )
    yield 'plain tensors, not', (torch.Tensor._make_subclass(Odd, images), around, static_logits, texture)


class Odd(torch.Tensor):
    """A subclass that ctypes would not notice."""


@needs_library
@pytest.mark.parametrize(('reason', 'arguments'), refused())
def test_what_it_cannot_do_is_refused_by_name_or_done_by_another(reason, arguments):
    with pytest.raises(ValueError, match=f"backend='native' cannot be used here: .*{reason}.*; backend='auto' takes"):
        downsize(*arguments, backend='native')
    if arguments[0].device.type == 'cpu':
        torch.testing.assert_close(downsize(*arguments), downsize(*arguments, backend='dense'))


@pytest.mark.parametrize('backend', ['auto', 'dense'])
@pytest.mark.parametrize(
    ('message', 'change'),
    [
        (r'static_logits must be \(4, 6, 5\)', lambda i, a, b, t: (i, a, b[:3], t)),
        (r'static_logits must be \(4, 6, 5\)', lambda i, a, b, t: (i, a, b[:, :5], t)),
        (r'rows must be \(2, 6\)', lambda i, a, b, t: (i, dataclasses.replace(a, rows=a.rows[:, :5]), b, t)),
        (r'cols must be \(2, 5\)', lambda i, a, b, t: (i, dataclasses.replace(a, cols=a.cols[:, :4]), b, t)),
        (
            r'weights_y must be \(2, 6\)',
            lambda i, a, b, t: (i, dataclasses.replace(a, weights_y=a.weights_y[:1]), b, t),
        ),
        (
            r'weights_x must be \(2, 5\)',
            lambda i, a, b, t: (i, dataclasses.replace(a, weights_x=a.weights_x[:1]), b, t),
        ),
        (
            r'to_logits must be \(4, 16\)',
            lambda i, a, b, t: (i, a, b, dataclasses.replace(t, to_logits=t.to_logits[:3])),
        ),
        (r'weights\[0\] must be \(16, 2, 3, 3\)', lambda i, a, b, t: (i[:, :2], a, b, t)),
        (
            r'biases\[0\] must be \(16,\)',
            lambda i, a, b, t: (i, a, b, dataclasses.replace(t, biases=[t.biases[0][:9]])),
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused_before_anything_is_read(message, change, backend):
    with pytest.raises(ValueError, match=message):
        downsize(*change(*arguments()), backend=backend)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown backend 'cuda', choose one of auto, native, triton, banded, dense"):
        downsize(*arguments(), backend='cuda')
    with pytest.raises(ValueError, match="unknown normalize 'max', choose one of softmax, sigmoid, none"):
        downsize(*arguments(), normalize='max')


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_while_tracing_plain_operators_are_recorded():
    images, around, static_logits, texture = arguments()
    traced = torch.jit.trace(lambda x: downsize(x, around, static_logits, texture), images, check_trace=False)
    kinds = {node.kind() for node in traced.graph.nodes()}
    assert 'aten::_convolution' in kinds
    assert not any('Python' in kind or 'prim::Python' in kind for kind in kinds)
    other = torch.rand_like(images)
    torch.testing.assert_close(traced(other), downsize(other, around, static_logits, texture))


def test_without_the_library_another_is_used_and_that_is_said_once(monkeypatch):
    monkeypatch.setattr(native.LIBRARY, 'load', lambda: (None, 'for this test'))
    native.LIBRARY.warn_of_absence.cache_clear()
    try:
        with pytest.warns(UserWarning, match='compiled back end is missing and a slower one is used: for this test'):
            out = downsize(*(given := arguments()))
        torch.testing.assert_close(out, downsize(*given, backend='dense'))
        with pytest.raises(ValueError, match='for this test'):
            downsize(*given, backend='native')
    finally:
        native.LIBRARY.warn_of_absence.cache_clear()


@needs_library
@pytest.mark.parametrize('fails', ['mmdownsize_forward', 'mmdownsize_backward'])
def test_running_out_of_memory_is_an_error(fails, monkeypatch):
    library, _ = native.LIBRARY.load()

    class Failing:
        def __getattr__(self, name):
            return (lambda *_: 1) if name == fails else getattr(library, name)

    monkeypatch.setattr(native.LIBRARY, 'load', lambda: (Failing(), ''))
    with pytest.raises(MemoryError, match=fails):
        case((13, 9), (6, 5)).run(compiled, torch.float32)
