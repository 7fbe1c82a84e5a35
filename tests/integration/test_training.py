"""The two edited lines train every kind of model: the loss is finite and its gradient reaches the downsizer."""

from contextlib import contextmanager

import pytest
import torch

from tests.integration.scenes import detection_batch, segmentation_batch
from tests.integration.swapped_models import DETECTORS, SEGMENTORS, RecordingOptimWrapper, config_of, initialised

every_model = pytest.mark.parametrize('name', [*DETECTORS, *SEGMENTORS])


def batch_for(name):
    return detection_batch(with_proposals=name == 'fast_rcnn') if name in DETECTORS else segmentation_batch()


def downsizer_gradients(gradients):
    return {name: grad for name, grad in gradients.items() if name.startswith('data_preprocessor.')}


@every_model
def test_two_edited_lines_train(name, tmp_path):
    model = initialised(name, tmp_path)
    model.train()
    wrapper = RecordingOptimWrapper(model, torch.optim.SGD(model.parameters(), lr=1e-2))
    for _ in range(2):
        losses = model.train_step(batch_for(name), wrapper)
        assert torch.isfinite(losses['loss'])
        assert losses['loss'] > 0
    first, second = map(downsizer_gradients, wrapper.gradients)
    assert first.keys() == {
        f'data_preprocessor.downsizer.{n}' for n, _ in model.data_preprocessor.downsizer.named_parameters()
    }
    assert len(first) == 6
    for parameter, grad in first.items():
        assert grad is not None, parameter
        assert torch.isfinite(grad).all(), parameter
        # The start is exact: until the fusion has moved, no texture can matter.
        assert grad.abs().sum() == 0 if '.texture.' in parameter else grad.abs().sum() > 0, parameter
    for parameter, grad in second.items():
        assert torch.isfinite(grad).all(), parameter
        assert grad.abs().sum() > 0, parameter


@every_model
def test_everything_but_the_two_lines_is_inherited(name, tmp_path):
    shipped, swapped = (config_of(name, tmp_path, swapped=swap) for swap in (False, True))
    before, after = shipped.model.data_preprocessor, dict(swapped.model.data_preprocessor)
    assert after.pop('downsizer') == dict(type='DownsizeNet')
    assert after.pop('scale_factor') == 0.5
    assert after.pop('type').startswith('mmdownsize.')
    assert after == {key: value for key, value in before.items() if key != 'type'}
    assert {**swapped.model, 'data_preprocessor': None} == {**shipped.model, 'data_preprocessor': None}


@pytest.mark.parametrize('name', ['faster_rcnn', 'fcn'])
def test_the_network_sees_the_downsized_batch(name, tmp_path):
    model = initialised(name, tmp_path)
    seen = []
    model.backbone.register_forward_pre_hook(lambda module, args: seen.append(tuple(args[0].shape)))
    model.train_step(batch_for(name), RecordingOptimWrapper(model, torch.optim.SGD(model.parameters(), lr=1e-2)))
    # 96 x 128 and 128 x 84 become 48 x 64 and 64 x 42, padded to 32s; the padding size of 64 x 96 becomes 32 x 48
    assert seen == [(2, 3, 64, 64) if name == 'faster_rcnn' else (2, 3, 32, 48)]


class MixedPrecision(RecordingOptimWrapper):
    """What mmengine's AmpOptimWrapper does, which refuses to run on CPUs."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield


@pytest.mark.parametrize('name', ['detr', 'fcn'])
def test_mixed_precision_trains(name, tmp_path):
    model = initialised(name, tmp_path)
    wrapper = MixedPrecision(model, torch.optim.SGD(model.parameters(), lr=1e-2))
    for _ in range(2):
        assert torch.isfinite(model.train_step(batch_for(name), wrapper)['loss'])
    for parameter, grad in downsizer_gradients(wrapper.gradients[1]).items():
        assert torch.isfinite(grad).all(), parameter
        assert grad.abs().sum() > 0, parameter


def test_a_frozen_downsizer_trains_the_rest(tmp_path):
    config = config_of('fcn', tmp_path, data_preprocessor=dict(downsizer=dict(frozen=True)))
    assert config.model.data_preprocessor.downsizer == dict(type='DownsizeNet', frozen=True)
    model = initialised('fcn', tmp_path, data_preprocessor=dict(downsizer=dict(frozen=True)))
    wrapper = RecordingOptimWrapper(model, torch.optim.SGD(model.parameters(), lr=1e-2))
    model.train_step(segmentation_batch(), wrapper)
    gradients = wrapper.gradients[0]
    assert all(grad is None for grad in downsizer_gradients(gradients).values())
    assert gradients['backbone.stem.0.weight'].abs().sum() > 0
