"""The downsizer's start survives the initialisation of the model around it, and obeys its own init_cfg."""

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmdownsize.preprocessors.det import DetDownsizePreprocessor
from mmdownsize.resizers import DownsizeNet, ImportanceResizer
from tests.preprocessors.batches import det_sample, random_image

DOWNSIZERS = [
    dict(),
    dict(num_convs=4, neighbors=4, distance='area', start='area'),
    dict(texture=False),
    dict(normalize='sigmoid', start='random', distance=None),
    dict(type='ImportanceResizer'),
]
CONSTANT = dict(type='Constant', layer='Conv2d', val=3.0, bias=2.0)


class Detector(BaseModel):
    """As any model of mmdet: a data preprocessor, layers, and an init_cfg for all of them."""

    def __init__(self, init_cfg=None, downsizer=None):
        downsizer = {'type': 'DownsizeNet', **(downsizer or {})}
        super().__init__(
            dict(type='mmdownsize.DetDownsizePreprocessor', downsizer=downsizer, scale_factor=0.5), init_cfg
        )
        self.layer = nn.Conv2d(3, 1, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.layer(inputs)
        return dict(loss=out.square().mean()) if mode == 'loss' else out


def start_of(**downsizer):
    """What does not depend on chance in a fresh downsizer: its fusion, unless it starts at random."""
    return {name: value for name, value in DownsizeNet(**downsizer).state_dict().items() if name.startswith('fusion')}


@pytest.mark.parametrize(
    'init_cfg',
    [
        CONSTANT,
        dict(type='Kaiming', layer='Conv2d'),
        [dict(type='Normal', std=5.0, layer='Conv2d'), dict(type='Constant', layer='BatchNorm2d', val=1.0)],
    ],
)
@pytest.mark.parametrize('downsizer', DOWNSIZERS[:3])
def test_an_init_cfg_of_the_model_does_not_overwrite_the_start(init_cfg, downsizer):
    model = Detector(init_cfg, downsizer)
    model.init_weights()
    net = model.data_preprocessor.downsizer
    for name, value in start_of(**downsizer).items():
        assert torch.equal(net.state_dict()[name], value), name
    image = random_image()
    data = model.data_preprocessor(dict(inputs=[image], data_samples=[det_sample()]))
    fresh = DownsizeNet(**downsizer)(image[None].float(), data['inputs'].shape[-2:])
    assert torch.allclose(data['inputs'], fresh, rtol=0, atol=1e-3)
    if init_cfg is CONSTANT:
        assert (model.layer.weight == 3).all()
        assert not any((conv.weight == 3).any() for conv in net.texture)


@pytest.mark.parametrize('start', [None, 'brightest'])
def test_an_init_cfg_of_the_model_does_not_overwrite_the_start_of_an_importance(start):
    model = Detector(CONSTANT, dict(type='ImportanceResizer', num_convs=2, start=start))
    model.init_weights()
    net = model.data_preprocessor.downsizer
    image = random_image()
    out = model.data_preprocessor(dict(inputs=[image], data_samples=[det_sample()]))['inputs']
    fresh = ImportanceResizer(num_convs=2, start=start)
    assert torch.allclose(out, fresh(image[None].float(), out.shape[-2:]), rtol=0, atol=1e-3)
    assert torch.equal(net.tone, fresh.tone) and not net.score.weight.any()
    assert not any((conv.weight == 3).any() for conv in net.texture)


def test_the_downsizers_own_init_cfg_is_respected():
    model = Detector(dict(type='Constant', layer='Conv2d', val=7.0), dict(init_cfg=CONSTANT))
    model.init_weights()
    for name, parameter in model.data_preprocessor.downsizer.named_parameters():
        assert (parameter == (3 if name.endswith('weight') else 2)).all(), name
    assert (model.layer.weight == 7).all()


def test_the_downsizers_init_cfg_may_be_a_list_and_comes_after_the_start():
    everywhere = dict(type='Constant', layer='Conv2d', val=1.0)
    fusion = dict(type='Constant', layer='Linear', val=0.0, override=dict(type='Constant', name='fusion', val=0.25))
    model = Detector(downsizer=dict(num_convs=1, init_cfg=[everywhere, fusion]))
    model.init_weights()
    net = model.data_preprocessor.downsizer
    assert (net.fusion.weight == 0.25).all()
    assert (net.texture[0].weight == 1).all()


def test_a_module_that_was_built_elsewhere_keeps_its_weights():
    trained = DownsizeNet()
    nn.init.normal_(trained.fusion.weight)
    before = trained.fusion.weight.clone()
    preprocessor = DetDownsizePreprocessor(downsizer=trained, scale_factor=0.5)
    preprocessor.init_weights()
    assert torch.equal(preprocessor.downsizer.fusion.weight, before)


def test_a_downsizer_is_initialised_from_a_file(tmp_path):
    trained = DownsizeNet(channels=8)
    nn.init.normal_(trained.fusion.weight)
    torch.save(trained.state_dict(), tmp_path / 'downsizer.pth')
    model = Detector(
        CONSTANT, dict(channels=8, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'downsizer.pth')))
    )
    model.init_weights()
    for name, value in trained.state_dict().items():
        assert torch.equal(model.data_preprocessor.downsizer.state_dict()[name], value), name


def test_a_downsizer_is_initialised_from_a_checkpoint_of_a_whole_model(tmp_path):
    trained = Detector(downsizer=dict(channels=8))
    nn.init.normal_(trained.data_preprocessor.downsizer.fusion.weight)
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'model.pth')
    pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'model.pth'), prefix='data_preprocessor.downsizer.')
    model = Detector(downsizer=dict(channels=8, init_cfg=pretrained))
    model.init_weights()
    for name, value in trained.data_preprocessor.downsizer.state_dict().items():
        assert torch.equal(model.data_preprocessor.downsizer.state_dict()[name], value), name


@pytest.mark.parametrize(
    'again', [lambda model: model.init_weights(), lambda model: model.data_preprocessor.init_weights()]
)
def test_a_second_call_resets_nothing(again):
    model = Detector(CONSTANT)
    model.init_weights()
    net = model.data_preprocessor.downsizer
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.125)
    again(model)
    assert all((parameter == 0.125).all() for parameter in net.parameters())


def test_the_first_call_resets_what_a_default_initialisation_left():
    model = Detector()
    net = model.data_preprocessor.downsizer
    nn.init.ones_(net.fusion.weight)
    model.init_weights()
    assert not net.fusion.weight.any()


def test_a_preprocessor_without_parameters_initialises():
    preprocessor = DetDownsizePreprocessor(downsizer=dict(type='FixedResizer'), scale_factor=0.5)
    preprocessor.init_weights()
    assert list(preprocessor.parameters()) == []


def test_frozen_stays_frozen_after_initialisation():
    model = Detector(CONSTANT, dict(frozen=True))
    model.init_weights()
    assert not any(parameter.requires_grad for parameter in model.data_preprocessor.parameters())


@pytest.mark.parametrize('downsizer', DOWNSIZERS)
def test_no_parameter_name_matches_the_custom_keys_of_shipped_configs(downsizer):
    names = [
        name for name, _ in Detector(downsizer=downsizer).named_parameters() if name.startswith('data_preprocessor.')
    ]
    assert names
    for name in names:
        assert not any(
            key in name for key in ('backbone', 'head', 'norm', 'embed', 'absolute_pos', 'query', 'level')
        ), name


def test_shipped_parameter_wise_settings_do_not_touch_the_downsizer():
    model = Detector()
    custom_keys = {
        key: dict(lr_mult=0.1, decay_mult=0.0)
        for key in ('backbone', 'norm', 'head', 'pos_block', 'query_embed', 'level_embed')
    }
    paramwise = dict(custom_keys=custom_keys, norm_decay_mult=0.0, dwconv_decay_mult=0.0)
    wrapper = DefaultOptimWrapperConstructor(dict(optimizer=dict(type='SGD', lr=0.5, weight_decay=0.25)), paramwise)(
        model
    )
    downsizer = {id(parameter) for parameter in model.data_preprocessor.parameters()}
    groups = [
        group for group in wrapper.param_groups if any(id(parameter) in downsizer for parameter in group['params'])
    ]
    assert sum(len(group['params']) for group in groups) >= len(downsizer)
    assert {(group['lr'], group['weight_decay']) for group in groups} == {(0.5, 0.25)}


@pytest.mark.parametrize(
    'cast', [lambda model: model.half(), lambda model: model.bfloat16(), lambda model: model.to(torch.bfloat16)]
)
def test_a_model_of_half_precision_still_preprocesses(cast):
    model = Detector()
    model.init_weights()
    image = random_image()
    wanted = model.data_preprocessor(dict(inputs=[image], data_samples=[det_sample()]))['inputs']
    cast(model)
    assert {parameter.dtype for parameter in model.parameters()} <= {torch.half, torch.bfloat16}
    out = model.data_preprocessor(dict(inputs=[image], data_samples=[det_sample()]))['inputs']
    # The start is exact in any precision; the sum of neighbours is made by another back end, in another order.
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-4)
