"""SPResNetV1c against mmseg's ResNetV1c, and where its strip pooling modules stand."""

import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from mmseg.models.backbones import ResNetV1c

from mmdownsize.models.spnet import SPResNetV1c, StripPoolingModule
from mmdownsize.registry import MODELS

D8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True, multi_grid=(4, 8, 16))
THIN = dict(stem_channels=8, base_channels=8)
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def build(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='mmdownsize.SPResNetV1c', **{**dict(depth=50), **D8, **THIN, **kwargs}))


def evaluated(net: nn.Module) -> nn.Module:
    net.eval()  # which returns None: mmseg's ResNet
    return net


def conv_bn(taps: int, inputs: int, outputs: int) -> int:
    return taps * inputs * outputs + 2 * outputs


def parameters_by_hand() -> int:
    """Of the ResNet-50, layer by layer."""
    count = conv_bn(9, 3, 32) + conv_bn(9, 32, 32) + conv_bn(9, 32, 64)
    inputs = 64
    for stage, blocks in enumerate(BLOCKS[50]):
        width = 64 * 2**stage
        for block in range(blocks):
            count += conv_bn(1, inputs, width) + conv_bn(9, width, width) + conv_bn(1, width, 4 * width)
            if block == 0:
                count += conv_bn(1, inputs, 4 * width)  # the shortcut
            if block == blocks - 1 or stage == 3:
                count += 2 * conv_bn(3, width, width) + width * width + width  # two strips, and the gate with its bias
            inputs = 4 * width
    return count


@pytest.mark.parametrize('depth', [50, 101, 152])
def test_the_modules_stand_in_the_last_block_of_each_stage_and_all_of_the_last(depth: int) -> None:
    net = build(depth=depth)
    found = [name for name, module in net.named_modules() if isinstance(module, StripPoolingModule)]
    ends = [f'layer{stage + 1}.{BLOCKS[depth][stage] - 1}.spm' for stage in range(3)]
    assert found == [*ends, 'layer4.0.spm', 'layer4.1.spm', 'layer4.2.spm']
    widths = [net.get_submodule(name).gate.in_channels for name in found]
    assert widths == [8, 16, 32, 64, 64, 64]


def test_it_has_the_parameters_of_the_layers_counted_one_by_one() -> None:
    net = build(stem_channels=64, base_channels=64)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters_by_hand() == 29_644_320


def test_dilations_are_those_of_the_authors() -> None:
    net = build()
    dilations = [[block.conv2.dilation[0] for block in getattr(net, f'layer{i}')] for i in (1, 2, 3, 4)]
    assert dilations == [[1] * 3, [1] * 4, [1, 2, 2, 2, 2, 2], [4, 8, 16]]


@pytest.mark.parametrize('hw, small', [((230, 230), (29, 29)), ((184, 180), (23, 23)), ((307, 90), (39, 12))])
def test_maps_have_a_stride_of_8(hw: tuple[int, int], small: tuple[int, int]) -> None:
    with torch.no_grad():
        maps = evaluated(build())(torch.randn(1, 3, *hw))
    assert [tuple(m.shape[:2]) for m in maps] == [(1, 32), (1, 64), (1, 128), (1, 256)]
    assert [tuple(m.shape[2:]) for m in maps[1:]] == [small] * 3


def test_without_its_modules_it_is_the_resnet_of_mmseg_and_takes_its_weights() -> None:
    theirs, ours = evaluated(ResNetV1c(depth=50, **D8, **THIN)), evaluated(build())
    loaded = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not loaded.unexpected_keys and loaded.missing_keys
    assert all('.spm.' in name for name in loaded.missing_keys)
    images = torch.randn(1, 3, 48, 56)
    with torch.no_grad():
        gated = ours(images)
        for module in list(ours.modules()):
            if hasattr(module, 'spm'):
                module.spm = nn.Identity()
        plain, wanted = ours(images), theirs(images)
    assert all(torch.equal(a, b) for a, b in zip(plain, wanted))
    assert not any(torch.equal(a, b) for a, b in zip(gated, wanted))


def test_a_module_sees_the_3x3_convolution_behind_its_norm_and_relu() -> None:
    block = evaluated(build()).layer2[-1]
    x = torch.randn(1, 64, 6, 7)
    with torch.no_grad():
        inner = block.norm1(block.conv1(x)).relu()
        inner = block.spm(block.norm2(block.conv2(inner)).relu())
        torch.testing.assert_close(block(x), (x + block.norm3(block.conv3(inner))).relu())


def test_checkpointed_blocks_compute_the_same() -> None:
    plain, saving = build(), build(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 40, 40, requires_grad=True)
    gradients = []
    for net in (plain, saving):
        evaluated(net)(images)[-1].square().sum().backward()
        gradients.append(images.grad)
        images.grad = None
    torch.testing.assert_close(*gradients)
    for (name, ours), theirs in zip(saving.named_parameters(), plain.parameters()):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_pretrained_weights_are_those_of_a_file_and_leave_the_modules_as_built(tmp_path) -> None:
    theirs = ResNetV1c(depth=50, **D8, **THIN)
    for parameter in theirs.parameters():
        parameter.data.uniform_()
    path = tmp_path / 'resnet.pth'
    torch.save(theirs.state_dict(), path)
    ours = build(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    built = {name: value.clone() for name, value in ours.state_dict().items() if '.spm.' in name}
    ours.init_weights()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, built[name] if '.spm.' in name else theirs.state_dict()[name]), name


def test_frozen_stages_freeze_their_modules() -> None:
    net = build(frozen_stages=1)
    net.train()
    assert not any(parameter.requires_grad for parameter in net.layer1.parameters())
    assert not any(module.training for module in net.layer1[-1].spm.modules())
    assert all(parameter.requires_grad for parameter in net.layer2.parameters())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(depth=18), r'one of \[50, 101, 152\].* got 18'),
        (dict(depth=51), 'got 51'),
        (dict(plugins=[dict(cfg=dict(type='ContextBlock'))]), 'its own plugin.* got plugins=.*ContextBlock'),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPResNetV1c(**{'depth': 50, **kwargs})
