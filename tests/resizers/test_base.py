"""What every resizer does with its inputs, good and bad."""

import copy
import pickle

import pytest
import torch

from mmdownsize.resizers import BaseResizer, DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer

CASES = {
    'nearest': lambda: FixedResizer(kernel='nearest'),
    'bilinear': lambda: FixedResizer(kernel='bilinear'),
    'bilinear antialiased': lambda: FixedResizer(kernel='bilinear', antialias=True),
    'bicubic': lambda: FixedResizer(kernel='bicubic'),
    'bicubic antialiased': lambda: FixedResizer(kernel='bicubic', antialias=True),
    'area': lambda: FixedResizer(kernel='area'),
    'lanczos': lambda: FixedResizer(kernel='lanczos'),
    'lanczos antialiased': lambda: FixedResizer(kernel='lanczos', antialias=True),
    'darkest': lambda: FixedResizer(kernel='darkest'),
    'brightest softly': lambda: FixedResizer(kernel='brightest', softness=20.0),
    'net': lambda: trained(DownsizeNet()),
    'net sigmoid': lambda: trained(DownsizeNet(normalize='sigmoid', num_convs=1)),
    'net raw': lambda: trained(DownsizeNet(normalize='none', num_convs=1), 0.02),
    'net signed': lambda: trained(DownsizeNet(normalize='signed', start='bicubic', neighbors=4), 0.02),
    'net auto': lambda: trained(DownsizeNet(neighbors='auto', start='triangle', distance='triangle', num_convs=3)),
    'net paper': lambda: DownsizeNet(normalize='sigmoid', start='random'),
    'net without texture': lambda: trained(DownsizeNet(texture=False)),
    'learned resizer': lambda: LearnedResizer().eval(),  # in training images of a batch do see each other
    'muller': lambda: shifted(MullerResizer(kernel='area')),
    'net without distance': lambda: trained(DownsizeNet(distance=None, start='random')),
    'importance': lambda: with_a_score(ImportanceResizer()),
    'importance dense': lambda: with_a_score(
        ImportanceResizer(num_convs=2, dilation=2, kernel='triangle', backend='dense')
    ),
    'importance per channel': lambda: with_a_score(
        ImportanceResizer(per_channel=True, start='darkest', backend='banded')
    ),
}


def trained(net, size=0.3):
    """A net whose coefficients have left their start, away from the kink at 0."""
    with torch.no_grad():
        for parameter in net.fusion.parameters():
            parameter.add_(size * torch.randn(parameter.shape))
    return net


def with_a_score(net):
    """A resizer whose importance has left 1."""
    torch.nn.init.normal_(net.score.weight, std=0.3)
    return net


def shifted(net):
    """A net whose parameters have left 0."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape))
    return net


# What they give is not a mean of neighbours, but that and something a CNN or filters add.
ADDING = ('learned resizer', 'muller')


@pytest.fixture(params=CASES)
def resizer(request):
    return CASES[request.param]()


@pytest.fixture(params=[name for name in CASES if name not in ADDING])
def resampler(request):
    return CASES[request.param]()


def images(n=2, h=14, w=11, dtype=torch.float32):
    return 255 * torch.rand(n, 3, h, w, dtype=dtype)


def test_batch_equals_single_images(resizer):
    batch = images(3)
    out = resizer(batch, (6, 5))
    single = torch.cat([resizer(image[None], (6, 5)) for image in batch])
    torch.testing.assert_close(out, single, rtol=0, atol=255e-6)
    resizer.double()
    out = resizer(batch.double(), (6, 5))
    single = torch.cat([resizer(image[None], (6, 5)) for image in batch])
    torch.testing.assert_close(out, single.double(), rtol=0, atol=255e-6)


def test_images_of_a_batch_do_not_see_each_other(resizer):
    batch = images(2)
    other = torch.cat([batch[:1], images(1)])
    torch.testing.assert_close(resizer(batch, (6, 5))[0], resizer(other, (6, 5))[0], rtol=0, atol=255e-6)
    assert not torch.equal(resizer(batch, (6, 5))[1], resizer(other, (6, 5))[1])


@pytest.mark.parametrize('dst_hw', [(6, 5), (1, 1), (14, 11), (20, 30), (14, 5), (1, 22), (22, 1)])
@pytest.mark.parametrize('name', [name for name in CASES if name not in (*ADDING, 'net raw')])
def test_constant_images_stay_constant(name, dst_hw):
    resizer = CASES[name]()
    constant = torch.tensor([0.0, 17.0, 255.0]).view(1, 3, 1, 1)
    out = resizer(constant.expand(2, -1, 14, 11).contiguous(), dst_hw)
    assert out.shape == (2, 3, *dst_hw)
    # An importance is not normalised: the same 154 weights are summed twice, with and without the pixels.
    rtol = 1e-5 if name.startswith('importance') else 1e-6
    torch.testing.assert_close(out, constant.expand_as(out), rtol=rtol, atol=1e-4)


@pytest.mark.parametrize(('src_hw', 'dst_hw'), [((1, 1), (1, 1)), ((1, 1), (5, 3)), ((1, 9), (1, 4)), ((9, 1), (4, 1))])
def test_one_pixel_axes(resizer, src_hw, dst_hw):
    source = images(2, *src_hw)
    out = resizer(source, dst_hw)
    assert out.shape == (2, 3, *dst_hw)
    assert out.isfinite().all()
    if (
        src_hw == (1, 1)
        and getattr(resizer, 'normalize', None) != 'none'
        and not isinstance(resizer, LearnedResizer | MullerResizer)
    ):
        torch.testing.assert_close(out, source.expand_as(out), rtol=1e-6, atol=1e-4)


def test_axes_are_not_swapped(resampler):
    ramp_y = torch.arange(14.0).view(1, 1, 14, 1).expand(1, 3, 14, 11)
    out = resampler(ramp_y.contiguous(), (5, 7))
    assert out.shape == (1, 3, 5, 7)
    # down the ramp from end to end, across it not further than neighbours differ
    assert (out[..., -1, :] - out[..., 0, :]).min() > 2 * (out.amax(-1) - out.amin(-1)).max()


@pytest.mark.parametrize('layout', ['channels_last', 'strided', 'flipped'])
def test_memory_layout_does_not_matter(resizer, layout):
    source = images()
    if layout == 'channels_last':
        other = source.contiguous(memory_format=torch.channels_last)
    elif layout == 'strided':
        other = torch.stack([source, images()], -1).flatten(-2)[..., ::2]
    else:
        other = source.mT.contiguous().mT
    assert source.stride() != other.stride()
    torch.testing.assert_close(resizer(source, (6, 5)), resizer(other, (6, 5)), rtol=0, atol=255e-6)


def test_input_is_not_modified_and_output_is_new(resizer):
    for dst_hw in ((6, 5), (14, 11)):
        source = images()
        before = source.clone()
        out = resizer(source, dst_hw)
        assert torch.equal(source, before)
        out.detach().zero_()
        assert torch.equal(source, before)


@pytest.mark.parametrize('dst_hw', [(6, 5), (20, 30), (14, 11)])
def test_empty_batch(resizer, dst_hw):
    assert resizer(images(0), dst_hw).shape == (0, 3, *dst_hw)


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 1.0), (torch.float16, 0.2), (torch.float64, 1e-3)])
def test_images_of_other_dtypes(resizer, dtype, tolerance):
    source = images().round()
    exact = resizer(source, (6, 5))
    out = resizer(source.to(dtype), (6, 5))
    assert out.dtype == dtype
    # inputs are exact in all of them but bfloat16, which holds 8 bits; so do outputs, half a step off
    if dtype == torch.bfloat16:
        exact = resizer(source.bfloat16().float(), (6, 5))
    torch.testing.assert_close(out.double(), exact.double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 8.0), (torch.float16, 2.0), (torch.float64, 1e-2)])
def test_modules_of_other_dtypes(resizer, dtype, tolerance):
    source = images()
    exact = resizer(source, (6, 5))
    resizer.to(dtype)
    out = resizer(source, (6, 5))
    assert out.dtype == source.dtype
    # weights and features lose bits, the sum of pixels does not
    torch.testing.assert_close(out, exact, rtol=0, atol=tolerance)
    assert resizer(source.to(dtype), (6, 5)).dtype == dtype


def test_gradient_reaches_images_and_parameters(resizer):
    source = images().requires_grad_()
    resizer(source, (6, 5)).square().sum().backward()
    assert source.grad.isfinite().all()
    assert source.grad.any()
    for name, parameter in resizer.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_images_need_no_gradient_to_train(resizer):
    assert resizer(images(), (6, 5)).requires_grad == bool(list(resizer.parameters()))


def test_copies_and_state_dicts_give_the_same_output(resizer):
    source = images()
    names = [name for name, _ in resizer.named_parameters()]
    state = copy.deepcopy(resizer.state_dict())
    expected = resizer(source, (6, 5))
    assert [name for name, _ in resizer.named_parameters()] == names
    assert list(resizer.state_dict()) == list(state)
    for twin in (copy.deepcopy(resizer), pickle.loads(pickle.dumps(resizer))):
        assert torch.equal(twin(source, (6, 5)), expected)
    if names:
        resizer.reset_parameters()
        assert not torch.equal(resizer(source, (6, 5)), expected)
    resizer.load_state_dict(state)
    assert torch.equal(resizer(source, (6, 5)), expected)


def test_same_image_same_output_in_training_and_evaluation(resampler):
    source = images()
    assert torch.equal(resampler.train()(source, (6, 5)), resampler.eval()(source, (6, 5)))


def test_bytes_are_the_numbers_they_stand_for(resizer):
    whole = (images() * 0.999).round().to(torch.uint8)
    out = resizer(whole, (6, 5))
    assert out.dtype == torch.float32
    assert torch.equal(out, resizer(whole.float(), (6, 5)))


def test_target_may_be_any_sequence_of_two_integers(resizer):
    source = images()
    expected = resizer(source, (6, 5))
    assert torch.equal(resizer(source, [6, 5]), expected)
    assert torch.equal(resizer(source, torch.Size([6, 5])), expected)


@pytest.mark.parametrize(
    ('bad', 'error', 'message'),
    [
        (torch.zeros(2, 3, 14, 11, dtype=torch.int16), TypeError, r'torch.int16.*\.float\(\)'),
        (torch.zeros(2, 3, 14, 11, dtype=torch.int64), TypeError, 'torch.int64'),
        ([[1.0]], TypeError, 'list'),
        (torch.zeros(3, 14, 11), ValueError, r'\(N, C, H, W\).*\(3, 14, 11\)'),
        (torch.zeros(1, 2, 3, 14, 11), ValueError, r'\(1, 2, 3, 14, 11\)'),
        (torch.zeros(2, 3, 0, 11), ValueError, r'\(2, 3, 0, 11\)'),
        (torch.zeros(2, 3, 14, 0), ValueError, r'\(2, 3, 14, 0\)'),
        (torch.zeros(2, 0, 14, 11), ValueError, r'\(2, 0, 14, 11\)'),
    ],
)
def test_bad_images_are_refused_by_value(resizer, bad, error, message):
    with pytest.raises(error, match=message):
        resizer(bad, (6, 5))


def test_one_integer_is_a_square(resizer):
    source = images()
    assert torch.equal(resizer(source, 6), resizer(source, (6, 6)))


@pytest.mark.parametrize('dst_hw', [(0, 5), (6, -1), (6,), (6, 5, 4), (6.5, 5), 0, 6.5, '66', None, True])
def test_bad_targets_are_refused_by_value(resizer, dst_hw):
    with pytest.raises(ValueError, match='target size must be') as error:
        resizer(images(), dst_hw)
    assert str(dst_hw) in str(error.value)


@pytest.mark.parametrize(
    ('make', 'near'),
    [
        (lambda: DownsizeNet(neighbour=4), "DownsizeNet has no setting 'neighbour': did you mean 'neighbors'?"),
        (lambda: FixedResizer('area', soft=1), "FixedResizer has no setting 'soft': did you mean 'softness'?"),
        (lambda: ImportanceResizer(kernels='area'), "did you mean 'kernel'?"),
        (lambda: LearnedResizer(blocks=2), "did you mean 'num_blocks'?"),
        (lambda: MullerResizer(size=3), 'it takes num_layers, kernel_size'),
        (lambda: type('Mine', (BaseResizer,), {})(init=1), "Mine has no setting 'init': did you mean 'init_cfg'?"),
    ],
)
def test_a_setting_that_does_not_exist_suggests_one_that_does(make, near):
    with pytest.raises(TypeError) as error:
        make()
    assert near in str(error.value)


def test_the_base_resizes_nothing():
    with pytest.raises(NotImplementedError):
        BaseResizer()(images(), (6, 5))


def test_init_cfg_is_kept():
    for make in (FixedResizer, DownsizeNet, ImportanceResizer):
        assert make().init_cfg is None
        assert make(init_cfg={'type': 'Constant'}).init_cfg == {'type': 'Constant'}
