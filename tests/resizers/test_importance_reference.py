"""ImportanceResizer against the pixel-by-pixel float64 reference, and its start against fixed kernels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdownsize.resizers import FixedResizer, ImportanceResizer
from tests.references import importance as reference
from tests.references import resampling

lengths = st.integers(1, 9)
sizes = st.tuples(lengths, lengths)
far = st.integers(1, 40) | st.sampled_from([1, 2, 3])
KERNELS = ('nearest', 'bilinear', 'triangle', 'area')
SIGNED = ('sharp_area', 'bicubic', 'bicubic_antialias', 'lanczos', 'lanczos_antialias')
BACKENDS = ('auto', 'banded', 'dense')


def randomized(net, seed, size=1.0):
    """Every parameter random, in float64."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
    return net.double()


def importance_of(net, image):
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    return reference.importance_map(
        image.numpy(),
        convs=[(arrays[f'texture.{i}.weight'], arrays[f'texture.{i}.bias']) for i in range(net.num_convs)],
        dilations=[1, net.dilation, net.dilation],
        to_score=arrays['score.weight'][:, :, 0, 0],
        tone=arrays['tone'],
        limit=net.limit,
        value_range=net.value_range,
    )


@st.composite
def nets(draw):
    num_convs = draw(st.integers(1, 3))
    net = ImportanceResizer(
        num_convs=num_convs,
        channels=draw(st.sampled_from([1, 3])),
        dilation=draw(st.integers(1, 3)) if num_convs > 1 else 1,
        kernel=draw(st.sampled_from(KERNELS)),
        around=draw(st.sampled_from([None, *SIGNED])),
        limit=draw(st.sampled_from([0.5, 4.0, 30.0])),
        per_channel=draw(st.booleans()),
        in_channels=draw(st.sampled_from([1, 2, 3])),
        value_range=draw(st.sampled_from([(0, 255), (0, 1), (-2, 3)])),
        backend=draw(st.sampled_from(BACKENDS)),
    )
    return randomized(net, draw(st.integers(0, 1000)), draw(st.sampled_from([0.3, 1.0, 3.0])))


@settings(max_examples=60)
@given(nets(), sizes, sizes, st.integers(0, 1000))
def test_any_net_equals_the_reference(net, src_hw, dst_hw, seed):
    generator = torch.Generator().manual_seed(seed)
    low, high = net.value_range
    images = low + (high - low) * torch.rand(2, net.in_channels, *src_hw, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        out, found = net(images, dst_hw), net.importance(images)
    for n in range(2):
        weights = importance_of(net, images[n])
        np.testing.assert_allclose(found[n], weights, rtol=1e-9)
        expected = reference.weighted_resize(images[n].numpy(), weights, dst_hw, net.kernel)
        if net.around is not None:
            of_around, of_kernel = (resampling.resize(images[n].numpy(), dst_hw, k) for k in (net.around, net.kernel))
            expected = of_around + expected - of_kernel
        np.testing.assert_allclose(out[n], expected, rtol=0, atol=1e-9 * (high - low))


@settings(max_examples=60)
@given(st.tuples(far, far), st.tuples(far, far), st.sampled_from(KERNELS), st.booleans(), st.sampled_from(BACKENDS))
def test_before_training_it_is_the_kernel_up_and_down(src_hw, dst_hw, kernel, per_channel, backend):
    generator = torch.Generator().manual_seed(1000 * src_hw[0] + src_hw[1])
    source = 255 * torch.rand(1, 3, *src_hw, dtype=torch.float64, generator=generator)
    net = ImportanceResizer(kernel=kernel, per_channel=per_channel, backend=backend)
    assert torch.equal(net.importance(source.float()), torch.ones(1, 3 if per_channel else 1, *src_hw))
    expected = resampling.resize(source.numpy(), dst_hw, kernel)
    np.testing.assert_allclose(net.double()(source, dst_hw).detach(), expected, rtol=0, atol=1e-9)
    single = net.float()(source.float(), dst_hw).detach()
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-3)


@settings(max_examples=60)
@given(
    st.tuples(far, far), st.tuples(far, far), st.sampled_from(KERNELS + SIGNED), st.sampled_from(KERNELS), st.booleans()
)
def test_before_training_it_is_the_kernel_around_which_it_adds(src_hw, dst_hw, around, kernel, per_channel):
    assume(around != kernel)
    generator = torch.Generator().manual_seed(1000 * src_hw[0] + src_hw[1])
    source = 255 * torch.rand(1, 3, *src_hw, dtype=torch.float64, generator=generator)
    expected = resampling.resize(source.numpy(), dst_hw, around)
    for backend in BACKENDS:
        net = ImportanceResizer(kernel=kernel, around=around, per_channel=per_channel, backend=backend)
        np.testing.assert_allclose(net.double()(source, dst_hw).detach(), expected, rtol=0, atol=1e-9)
        single = net.float()(source.float(), dst_hw).detach()
        np.testing.assert_allclose(single, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize('backend', BACKENDS)
def test_around_antialiased_lanczos_starts_as_pil_resizes(backend):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    source = torch.from_numpy(image).permute(2, 0, 1)[None]
    net = ImportanceResizer(around='lanczos_antialias', backend=backend)
    expected = np.asarray(Image.fromarray(image).resize((15, 10), Image.Resampling.LANCZOS))
    out = net(source, (10, 15))[0].detach().permute(1, 2, 0).round().clamp(0, 255)
    assert np.abs(out.numpy() - expected).max() <= 1  # PIL rounds after each axis


@pytest.mark.parametrize('backend', BACKENDS)
def test_before_training_it_is_average_pooling_at_integer_ratios(backend):
    source = 255 * torch.rand(2, 3, 24, 30)
    net = ImportanceResizer(backend=backend)
    torch.testing.assert_close(net(source, (6, 10)), F.avg_pool2d(source, (4, 3)), rtol=0, atol=1e-4)
    torch.testing.assert_close(net(source, (6, 10)), FixedResizer(kernel='area')(source, (6, 10)), rtol=0, atol=1e-4)


def test_start_is_exact_with_weights_of_half_precision_and_under_autocast():
    source = 255 * torch.rand(1, 3, 20, 17)
    expected = FixedResizer(kernel='area')(source, (7, 9))
    for net in (ImportanceResizer().half(), ImportanceResizer().bfloat16()):
        torch.testing.assert_close(net(source, (7, 9)), expected, rtol=0, atol=1e-4)
    with torch.autocast('cpu', torch.bfloat16):
        out = ImportanceResizer()(source, (7, 9))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('per_channel', [True, False])
@pytest.mark.parametrize('start', ['darkest', 'brightest'])
def test_starts_with_the_dark_or_the_bright(start, per_channel):
    net = ImportanceResizer(start=start, strength=3, per_channel=per_channel)
    sign = -1 if start == 'darkest' else 1
    source = torch.rand(1, 3, 12, 12) * 255
    brightness = source.mean(1, keepdim=True) / 127.5 - 1  # black -1, white 1
    expected = (4 * torch.tanh(sign * 3 * brightness / 4)).exp().expand(-1, 3 if per_channel else 1, -1, -1)
    torch.testing.assert_close(net.importance(source), expected)
    out, area, hard = (
        resizer(source, (3, 3)).mean() for resizer in (net, ImportanceResizer(), FixedResizer(kernel=start))
    )
    assert min(area, hard) < out < max(area, hard)
    torch.nn.init.normal_(net.tone)
    torch.nn.init.normal_(net.score.weight)
    net.reset_parameters()
    torch.testing.assert_close(net.importance(source), expected)


def test_golden_importance():
    """Two pixels, black and white: with a tone of 1 they count exp(∓4 tanh(1/4))."""
    net = ImportanceResizer(start='brightest', strength=1)
    source = torch.tensor([0.0, 255.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    weight = np.exp(4 * np.tanh(1 / 4))
    assert net.importance(source).flatten().tolist() == pytest.approx([1 / weight, weight])
    expected = 255 * weight / (weight + 1 / weight)
    assert net(source, (1, 1)).flatten().tolist() == pytest.approx([expected] * 3)
