"""The joined forms equal their kernel before training, and their parts where only one part has learned."""

import pytest
import torch
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.comparing.arms import load_arms
from mmdownsize.registry import MODELS
from mmdownsize.resizers import FixedResizer
from tests.study.test_pages import STUDY

ARMS = {arm.name: arm.downsizer for arm in load_arms([], STUDY / 'configs' / '_arms_combined.py', None)}
AREA = FixedResizer(kernel='area')
IMAGES, HW = 255 * torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)), (8, 12)


def moved(name: str) -> nn.Module:
    """Return a form whose importance has learned something."""
    module = MODELS.build(dict(ARMS[name]))
    nn.init.normal_(module.importance.score.weight, generator=torch.Generator().manual_seed(1))
    return module


@pytest.mark.parametrize('name', ARMS)
def test_before_training_it_is_the_kernel(name: str) -> None:
    torch.testing.assert_close(MODELS.build(dict(ARMS[name]))(IMAGES, HW), AREA(IMAGES, HW))


@pytest.mark.parametrize('name', ARMS)
def test_constants_stay_and_all_parts_learn(name: str) -> None:
    module = moved(name)
    constant = torch.full_like(IMAGES, 90.0)
    torch.testing.assert_close(module(constant, HW), constant[..., :8, :12], atol=1e-3, rtol=0)
    module(IMAGES, HW).square().mean().backward()
    assert all(part.weight.grad.abs().max() > 0 for part in (module.importance.score, module.net.fusion))


def test_with_neighbours_at_the_kernel_only_the_importance_counts() -> None:
    module = moved('both_6x6_softmax')
    torch.testing.assert_close(module(IMAGES, HW), module.importance(IMAGES, HW), atol=1e-2, rtol=0)
    assert (module.importance(IMAGES, HW) - AREA(IMAGES, HW)).abs().max() > 1
