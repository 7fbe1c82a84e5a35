"""What mmengine's Runner and optimizer wrappers do to a model, done to one with a downsizer."""

from contextlib import nullcontext
from importlib.metadata import packages_distributions

import pytest
import torch
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from mmseg.models.backbones import BEiT
from mmseg.models.losses import cross_entropy
from torch import nn

from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
from tests.integration.distributed_steps import _FCN as STEADY
from tests.integration.scenes import segmentation_batch
from tests.integration.swapped_models import RecordingOptimWrapper, initialised
from tests.integration.trainings import train, write
from tests.tools.small_training import IMAGES, write_config, write_data

SIZES = [(64, 96)] * 4


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tiny')
    return write_config(folder / 'tiny.py', write_data(folder), by_epoch=False, seed=3, workers=0)


def model_and_wrapper(tmp_path, kind=RecordingOptimWrapper, **kwargs):
    torch.manual_seed(0)
    model = initialised('fcn', tmp_path, **STEADY, **kwargs).train()
    return model, kind(model, torch.optim.SGD(model.parameters(), lr=1e-2))


def part(batch, *which):
    return {key: [value[i] for i in which] for key, value in batch.items()}


def test_accumulated_gradients_are_those_of_the_joint_batch(tmp_path):
    batch = segmentation_batch(SIZES)
    model, joint = model_and_wrapper(tmp_path)
    model.train_step(batch, joint)
    model, wrapper = model_and_wrapper(tmp_path)
    wrapper._accumulative_counts = 2
    wrapper.initialize_count_status(model, 0, 2)
    model.train_step(part(batch, 0, 1), wrapper)
    assert not wrapper.gradients
    model.train_step(part(batch, 2, 3), wrapper)
    (found,), (wanted,) = wrapper.gradients, joint.gradients
    for name, grad in wanted.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=1e-5 * float(grad.abs().max()) + 1e-8)
    assert wanted['data_preprocessor.downsizer.fusion.weight'].abs().sum() > 0


def test_gradient_clipping_counts_the_downsizer_in(tmp_path):
    batch = segmentation_batch(SIZES)
    model, plain = model_and_wrapper(tmp_path)
    model.train_step(batch, plain)
    squares = {name: float(grad.double().square().sum()) for name, grad in plain.gradients[0].items()}
    norm = sum(squares.values()) ** 0.5
    assert sum(value for name, value in squares.items() if 'downsizer' in name) > 0

    model, _ = model_and_wrapper(tmp_path)
    before = {name: value.clone() for name, value in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), clip_grad=dict(max_norm=norm / 4))
    model.train_step(batch, wrapper)
    name = 'data_preprocessor.downsizer.fusion.weight'
    step = before[name] - dict(model.named_parameters())[name]
    torch.testing.assert_close(step, plain.gradients[0][name] / 4, rtol=1e-4, atol=1e-9)


def test_activation_checkpointing_changes_nothing(tmp_path):
    batch = segmentation_batch(SIZES[:2])
    gradients = []
    for names in ([], ['backbone.stem', 'backbone.layer1', 'backbone.layer4', 'decode_head.convs']):
        model, wrapper = model_and_wrapper(tmp_path)
        turn_on_activation_checkpointing(model, names)
        model.train_step(batch, wrapper)
        gradients.append(wrapper.gradients[0])
    # The first of these layers sees the downsizer's output, which carries the gradient that mmengine's way needs.
    for name, wanted in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], wanted, rtol=1e-5, atol=1e-8)


def test_synchronised_batch_norm_reaches_a_resizer_and_leaves_it(tmp_path):
    torch.manual_seed(0)
    model = initialised('fcn', tmp_path, data_preprocessor=dict(downsizer=dict(_delete_=True, type='LearnedResizer')))
    batch = segmentation_batch(SIZES[:2])
    wanted = model.eval().data_preprocessor(batch)['inputs']
    names = {name for name, module in model.data_preprocessor.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert len(names) == 4
    model = convert_sync_batchnorm(model)
    assert {n for n, m in model.data_preprocessor.named_modules() if isinstance(m, nn.SyncBatchNorm)} == names
    model = revert_sync_batchnorm(model)
    assert not [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert torch.equal(model.eval().data_preprocessor(batch)['inputs'], wanted)
    assert len(model.data_preprocessor.state_dict()) == len(dict(model.data_preprocessor.downsizer.state_dict()))


def test_the_moving_average_includes_the_downsizer(tiny, tmp_path):
    momentum = 0.25
    changes = f"""
custom_hooks = [dict(type='EMAHook', momentum={momentum})]
default_hooks = dict(checkpoint=dict(interval=1, save_best=None))
"""
    train(write(tmp_path / 'ema.py', tiny, changes), tmp_path / 'run')
    # While it saves a checkpoint, the hook has the average in the model's place.
    saved = [torch.load(tmp_path / 'run' / f'iter_{i + 1}.pth') for i in range(IMAGES)]
    for name in ('fusion.weight', 'texture.1.weight'):
        name = f'data_preprocessor.downsizer.{name}'
        average = None
        for checkpoint in saved:
            value = checkpoint['ema_state_dict'][f'module.{name}']
            average = value if average is None else (1 - momentum) * average + momentum * value
            torch.testing.assert_close(checkpoint['state_dict'][name], average, rtol=1e-5, atol=1e-8)
        assert not torch.equal(average, value)


def test_learning_rates_by_name_and_by_batch_size(tiny, tmp_path):
    changes = """
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.5),
    paramwise_cfg=dict(custom_keys={'data_preprocessor.downsizer': dict(lr_mult=10.0, decay_mult=0.0)}),
)
auto_scale_lr = dict(base_batch_size=8)
"""
    runner = train(write(tmp_path / 'named.py', tiny, changes), tmp_path / 'run', '--auto-scale-lr')
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    found = {}
    for group in runner.optim_wrapper.optimizer.param_groups:
        for parameter in group['params']:
            found[names[id(parameter)]] = (round(group['initial_lr'], 9), group['weight_decay'])
    assert found.keys() == set(names.values())
    ours = {settings for name, settings in found.items() if name.startswith('data_preprocessor.downsizer.')}
    others = {settings for name, settings in found.items() if not name.startswith('data_preprocessor.downsizer.')}
    assert ours == {(0.025, 0.0)}  # 0.01 times 10, for batches of 2 in place of 8
    assert others == {(0.0025, 0.5)}


def test_a_compiled_preprocessor_does_the_same():
    # mmengine compiles the whole step. The backend that compiles nothing: under test is that the preprocessor can be captured.
    torch.manual_seed(0)
    preprocessor = SegDownsizePreprocessor(downsizer=dict(type='DownsizeNet'), scale_factor=0.5, size=(64, 96))
    nn.init.normal_(preprocessor.downsizer.fusion.weight)
    compiled = torch.compile(preprocessor.forward, backend='eager')
    batch = segmentation_batch([(64, 96)] * 2)
    results = []
    for forward in (preprocessor.forward, compiled):
        preprocessor.zero_grad()
        data = forward(batch, True)
        data['inputs'].square().mean().backward()
        gradients = {name: parameter.grad.clone() for name, parameter in preprocessor.named_parameters()}
        results.append((data['inputs'], data['data_samples'], gradients))
    (wanted, samples, wanted_gradients), (found, found_samples, gradients) = results
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)
    for a, b in zip(found_samples, samples):
        assert a.metainfo == b.metainfo
        assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)
    assert len(gradients) == 6
    for name, grad in wanted_gradients.items():
        torch.testing.assert_close(gradients[name], grad, rtol=1e-3, atol=1e-4 * float(grad.abs().max()))


class ConvNeXt(nn.Module):
    """Parameters with the names of that backbone's, which comes with mmpretrain."""

    def __init__(self):
        super().__init__()
        self.downsample_layers = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(4))
        self.stages = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(4))


class Segmentor(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.data_preprocessor = SegDownsizePreprocessor(
            downsizer=dict(type='DownsizeNet'), scale_factor=0.5, size=(64, 64)
        )
        self.backbone = backbone
        self.decode_head = nn.Conv2d(3, 2, 1)


def beit():
    return BEiT(img_size=32, patch_size=16, embed_dims=8, num_layers=2, num_heads=2, mlp_ratio=1, out_indices=(1,))


@pytest.mark.filterwarnings('ignore:DeprecationWarning')
@pytest.mark.parametrize(
    ('scope', 'constructor', 'settings', 'backbone'),
    [
        ('mmseg', 'LearningRateDecayOptimizerConstructor', dict(decay_rate=0.5, decay_type='layer_wise'), ConvNeXt),
        ('mmseg', 'LearningRateDecayOptimizerConstructor', dict(decay_rate=0.5, decay_type='stage_wise'), ConvNeXt),
        ('mmdet', 'LearningRateDecayOptimizerConstructor', dict(decay_rate=0.5, decay_type='layer_wise'), ConvNeXt),
        ('mmdet', 'LearningRateDecayOptimizerConstructor', dict(decay_rate=0.5, decay_type='stage_wise'), ConvNeXt),
        ('mmseg', 'LearningRateDecayOptimizerConstructor', dict(decay_rate=0.5, decay_type='layer_wise'), beit),
        ('mmseg', 'LayerDecayOptimizerConstructor', dict(layer_decay_rate=0.5), beit),
    ],
)
def test_layer_wise_decay_leaves_the_downsizer_the_full_rate(scope, constructor, settings, backbone):
    # It comes before the first layer and is trained from scratch, as the heads are.
    pytest.importorskip(scope)
    model = Segmentor(backbone())
    config = dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.05),
        constructor=constructor,
        paramwise_cfg=dict(num_layers=6 if backbone is ConvNeXt else 2, **settings),
    )
    with DefaultScope.overwrite_default_scope(scope):
        wrapper = build_optim_wrapper(model, config)
    rates, decays = {}, {}
    for group in wrapper.optimizer.param_groups:
        for name in group['param_names']:
            rates[name], decays[name] = group['lr'], group['weight_decay']
    assert rates.keys() == dict(model.named_parameters()).keys()
    ours = [name for name in rates if name.startswith('data_preprocessor.downsizer.')]
    assert len(ours) == 6
    assert {rates[name] for name in ours} == {1e-2} == {rates['decode_head.weight']}
    assert {decays[name] for name in ours} == {0.0, 0.05}  # biases have none, as everywhere
    assert min(rates.values()) < 1e-2


@pytest.mark.parametrize('avg_non_ignore', [False, True])
def test_class_weights_fail_on_ignored_pixels_in_mmseg_itself(avg_non_ignore):
    # docs/training.md says so, and to leave the weights out: when this test fails, mmseg has been mended.
    (distribution,) = set(packages_distributions()['mmseg'])
    message = {
        ('mmsegmentation', False): 'index 255 is out of bounds',
        ('mmsegmentation', True): 'index 255 is out of bounds',
        ('onedl-mmsegmentation', True): 'too many indices',
    }.get((distribution, avg_non_ignore))
    prediction, label = torch.zeros(1, 3, 4, 4), torch.full((1, 4, 4), 255)
    with pytest.raises(IndexError, match=message) if message else nullcontext():
        cross_entropy(prediction, label, class_weight=torch.ones(3), ignore_index=255, avg_non_ignore=avg_non_ignore)
