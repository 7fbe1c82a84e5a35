"""A trainable downsizer without a gradient is said to learn nothing, once, and only then."""

import copy
import pickle

import pytest
import torch
from mmengine.optim import OptimWrapper

from mmdownsize.preprocessors.gradient_watch import BATCHES, GradientWatch
from mmdownsize.resizers import DownsizeNet, FixedResizer

NOTHING = 'the downsizer, DownsizeNet, is trainable and has had no gradient in 20 batches: it learns nothing'
IMAGES = torch.rand(1, 3, 12, 16) * 255


def train(watch: GradientWatch, net: torch.nn.Module, batches: int, factor: float = 1.0) -> None:
    """Train for some batches; the loss is ``factor`` times the mean of the small image."""
    optimizer = OptimWrapper(torch.optim.SGD(net.parameters(), lr=1e-3))
    for _ in range(batches):
        watch.before_batch(net)
        optimizer.update_params(net(IMAGES, (6, 8)).mean() * factor)


def test_a_loss_that_is_constant() -> None:
    watch, net = GradientWatch(), DownsizeNet()
    train(watch, net, BATCHES, factor=0.0)
    with pytest.warns(UserWarning, match=NOTHING) as said:
        train(watch, net, 3 * BATCHES, factor=0.0)
    assert len(said) == 1


def test_a_loss_that_does_not_depend_on_the_image() -> None:
    watch, net = GradientWatch(), DownsizeNet()
    for _ in range(BATCHES):
        watch.before_batch(net)
        net(IMAGES, (6, 8)).detach()
    with pytest.warns(UserWarning, match=NOTHING):
        watch.before_batch(net)


def test_a_gradient_now_and_then_is_enough_and_its_end_is_said() -> None:
    watch, net = GradientWatch(), DownsizeNet()
    for _ in range(3):
        train(watch, net, BATCHES - 1, factor=0.0)
        train(watch, net, 1)
    train(watch, net, BATCHES, factor=0.0)
    with pytest.warns(UserWarning, match=NOTHING):
        train(watch, net, 1, factor=0.0)


@pytest.mark.parametrize('net', [FixedResizer(), DownsizeNet(frozen=True)], ids=['fixed', 'frozen'])
def test_what_is_not_trained_is_not_watched(net) -> None:
    watch = GradientWatch()
    for _ in range(2 * BATCHES):
        watch.before_batch(net)


def test_batches_without_recording_do_not_count() -> None:
    watch, net = GradientWatch(), DownsizeNet()
    with torch.no_grad():
        for _ in range(2 * BATCHES):
            watch.before_batch(net)


@pytest.mark.parametrize(
    'other', [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))], ids=['copy', 'pickle']
)
def test_a_copied_model_is_watched_anew(other) -> None:
    watch, net = GradientWatch(), DownsizeNet()
    train(watch, net, 3)
    watch, net = other((watch, net))
    train(watch, net, 2 * BATCHES + 1)
    train(watch, net, BATCHES, factor=0.0)
    with pytest.warns(UserWarning, match=NOTHING):
        train(watch, net, BATCHES, factor=0.0)


def test_a_preprocessor_watches_its_downsizer() -> None:
    pytest.importorskip('mmseg')
    from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
    from tests.preprocessors.batches import seg_sample

    preprocessor = SegDownsizePreprocessor(downsizer=dict(type='DownsizeNet'), scale_factor=0.5, size_divisor=1)
    batch = dict(inputs=[IMAGES[0].byte()], data_samples=[seg_sample((12, 16))])
    for _ in range(2 * BATCHES + 1):
        preprocessor(batch, training=True)['inputs'].mean().backward()
    for _ in range(2 * BATCHES):
        preprocessor(batch, training=False)
    for _ in range(BATCHES - 1):
        preprocessor(batch, training=True)
    with pytest.warns(UserWarning, match=NOTHING):
        for _ in range(BATCHES + 1):
            preprocessor(batch, training=True)
