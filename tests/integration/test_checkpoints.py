"""A checkpoint of a model without the plugin runs unchanged behind a downsizer that starts bilinear."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.runner.checkpoint import load_checkpoint, save_checkpoint
from torch import nn

from tests.integration.scenes import detection_batch, segmentation_batch
from tests.integration.swapped_models import DETECTORS, SEGMENTORS, initialised

TARGET = 0.6


def trained_without_the_plugin(name, tmp_path):
    """A shipped model whose every weight and statistic differs from a fresh one, and its checkpoint."""
    model = initialised(name, tmp_path, swapped=False).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    path = str(tmp_path / 'shipped.pth')
    save_checkpoint(dict(meta=dict(epoch=3), state_dict=model.state_dict()), path)
    return model, path


def resized_before(batch):
    """The batch as a pipeline delivers it that resizes bilinearly, in floating point."""
    batch = copy.deepcopy(batch)
    for i, (image, sample) in enumerate(zip(batch['inputs'], batch['data_samples'])):
        src_h, src_w = image.shape[-2:]
        h, w = int(src_h * TARGET + 0.5), int(src_w * TARGET + 0.5)
        batch['inputs'][i] = F.interpolate(image[None].float(), (h, w), mode='bilinear')[0]
        sx, sy = w / src_w, h / src_h
        sample.set_metainfo(dict(img_shape=(h, w), scale_factor=(sx, sy)))
        if 'proposals' in sample:
            sample.proposals.bboxes = sample.proposals.bboxes * torch.tensor([sx, sy] * 2)
    return batch


def swapped_with(path, name, tmp_path):
    model = initialised(name, tmp_path, target=f'scale_factor={TARGET}').eval()
    load_checkpoint(model, path, map_location='cpu')
    return model


@pytest.mark.parametrize('name', [*DETECTORS, *SEGMENTORS])
def test_a_checkpoint_without_the_plugin_loads_completely(name, tmp_path):
    shipped, path = trained_without_the_plugin(name, tmp_path)
    swapped = swapped_with(path, name, tmp_path)
    weights = swapped.state_dict()
    for key, value in shipped.state_dict().items():
        assert torch.equal(weights.pop(key), value), key
    assert weights
    assert all(key.startswith('data_preprocessor.downsizer.') for key in weights)


@pytest.mark.parametrize('name', DETECTORS)
def test_detections_are_those_of_the_unswapped_model_on_bilinearly_resized_images(name, tmp_path):
    shipped, path = trained_without_the_plugin(name, tmp_path)
    swapped = swapped_with(path, name, tmp_path)
    batch = detection_batch(with_proposals=name == 'fast_rcnn')
    with torch.no_grad():
        wanted = shipped.test_step(resized_before(batch))
        found = swapped.test_step(batch)
    for a, b in zip(found, wanted):
        a, b = a.pred_instances, b.pred_instances
        assert len(b) > 0
        assert torch.equal(a.labels, b.labels)
        assert torch.allclose(a.scores, b.scores, rtol=0, atol=1e-4)
        assert torch.allclose(a.bboxes, b.bboxes, rtol=0, atol=1e-2)
        if 'masks' in b:
            assert (a.masks == b.masks).float().mean() > 0.999


@pytest.mark.parametrize('name', SEGMENTORS)
def test_label_maps_are_those_of_the_unswapped_model_on_bilinearly_resized_images(name, tmp_path):
    shipped, path = trained_without_the_plugin(name, tmp_path)
    swapped = swapped_with(path, name, tmp_path)
    batch = segmentation_batch([(64, 96)] * 2, noise=100)
    with torch.no_grad():
        wanted = shipped.test_step(resized_before(batch))
        found = swapped.test_step(batch)
    for a, b in zip(found, wanted):
        assert b.seg_logits.data.std() > 0.01
        assert torch.allclose(a.seg_logits.data, b.seg_logits.data, rtol=1e-4, atol=1e-4)
        assert (a.pred_sem_seg.data == b.pred_sem_seg.data).float().mean() > 0.999


@pytest.mark.parametrize('name', ['faster_rcnn', 'fcn'])
def test_a_checkpoint_with_the_plugin_loads_strictly_and_predicts_the_same(name, tmp_path):
    model = initialised(name, tmp_path).eval()
    nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight)
    path = str(tmp_path / 'swapped.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    torch.manual_seed(1)
    other = initialised(name, tmp_path).eval()
    load_checkpoint(other, path, map_location='cpu', strict=True)
    batch = detection_batch() if name in DETECTORS else segmentation_batch([(64, 96)])
    assert torch.equal(model.data_preprocessor(batch)['inputs'], other.data_preprocessor(batch)['inputs'])
