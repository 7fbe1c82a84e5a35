"""The comparison of an exported graph with its module: it finds what differs, and passes what is equal."""

import pytest
import torch
from torch import nn

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from mmdownsize.deploy.downsizer import Downsizer
from mmdownsize.deploy.onnx_file import record
from mmdownsize.deploy.parity import checked_shapes, parity
from mmdownsize.geometry import TargetSize
from mmdownsize.resizers import DownsizeNet, ImportanceResizer

pytestmark = pytest.mark.usefixtures('single_thread')
EXAMPLE = (48, 64)
SHAPES = [(1, 3, 33, 50), (3, 3, 70, 41), (4, 3, 64, 96)]


class Baked(nn.Module):
    """A module that keeps the size that it was recorded with."""

    outputs = ('downsized',)

    def __init__(self, shift=False):
        super().__init__()
        self.shift = shift

    def forward(self, images):
        return images + int(images.shape[2]) if self.shift else images[:, :, : int(images.shape[2]) // 2]

    def reference(self, images):
        return self(images)


@pytest.mark.parametrize('shift', [False, True])
def test_parity_finds_what_was_recorded_as_a_constant(shift):
    results = parity(record(Baked(shift), EXAMPLE), Baked(shift), SHAPES)
    assert [result.passed for result in results] == [False] * 3
    if shift:
        assert [result.difference for result in results] == pytest.approx([15, 22, 16], abs=1e-3)
    else:
        assert results[0].failure == 'it has shape (1, 3, 24, 50) instead of (1, 3, 16, 50)'


def test_parity_of_an_equal_graph():
    net = DownsizeNet()
    nn.init.normal_(net.fusion.weight, std=0.3)
    downsizer = Downsizer(net, TargetSize(scale_factor=0.5))
    results = parity(record(downsizer, EXAMPLE), downsizer, SHAPES)
    assert [result.output_shape for result in results] == [(1, 3, 17, 25), (3, 3, 35, 21), (4, 3, 32, 48)]
    assert all(result.passed and 0 < result.difference <= result.limit < 3e-3 for result in results)
    assert all(100 < result.largest <= 255 for result in results)


@pytest.mark.parametrize('deviation', [0.1, 20.0, 100.0])
def test_rounding_of_a_trained_importance_is_no_difference(deviation):
    torch.manual_seed(2)
    net = ImportanceResizer(per_channel=True, around='lanczos_antialias')
    nn.init.normal_(net.score.weight, std=deviation)
    nn.init.normal_(net.tone, std=deviation)
    downsizer = Downsizer(net, TargetSize(scale_factor=0.5))
    results = parity(record(downsizer, (64, 80)), downsizer, checked_shapes((256, 320), 3))
    assert all(result.passed and result.difference > 1e-5 for result in results)


def test_a_difference_that_is_no_number_does_not_pass():
    class Nan(nn.Module):
        outputs = ('downsized',)

        def forward(self, images):
            return images * float('nan')

        def reference(self, images):
            return images

    assert not any(result.passed for result in parity(record(Nan(), EXAMPLE), Nan(), SHAPES))


def test_checked_batches_share_nothing_with_the_recording():
    for h, w in ((256, 320), (40, 56), (513, 1025)):
        shapes = checked_shapes((h, w), 3)
        assert len({shape[0] for shape in shapes} | {2}) == 4
        assert len({shape[2] for shape in shapes} | {h}) == 4
        assert len({shape[3] for shape in shapes} | {w}) == 4
