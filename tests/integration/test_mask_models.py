"""Panoptic and instance segmentors of mmdet train, and predict what they do unswapped on bilinearly resized images."""

import pytest
import torch
from mmengine.structures import PixelData

from tests.integration.scenes import detection_batch
from tests.integration.swapped_models import MASK_MODELS, NUM_CLASSES, RecordingOptimWrapper, initialised
from tests.integration.test_checkpoints import resized_before, swapped_with, trained_without_the_plugin

every_model = pytest.mark.parametrize('name', MASK_MODELS)


def panoptic_batch():
    """The objects' classes over two kinds of stuff."""
    batch = detection_batch()
    for image, sample in zip(batch['inputs'], batch['data_samples']):
        h, w = image.shape[-2:]
        labels = torch.full((1, h, w), NUM_CLASSES, dtype=torch.uint8)
        labels[:, h // 2 :] = NUM_CLASSES + 1
        objects = sample.gt_instances
        for label, mask in zip(objects.labels, objects.masks.masks):
            labels[0][torch.from_numpy(mask).bool()] = int(label)
        sample.gt_sem_seg = PixelData(sem_seg=labels)
    return batch


@every_model
def test_it_trains(name, tmp_path):
    model = initialised(name, tmp_path).train()
    wrapper = RecordingOptimWrapper(model, torch.optim.SGD(model.parameters(), lr=1e-2))
    for _ in range(2):
        losses = model.train_step(panoptic_batch(), wrapper)
        assert all(torch.isfinite(value) for value in losses.values())
    assert any('mask' in key for key in losses)
    gradients = {key: grad for key, grad in wrapper.gradients[1].items() if key.startswith('data_preprocessor.')}
    assert len(gradients) == 6
    assert all(grad.abs().sum() > 0 for grad in gradients.values())


@every_model
def test_predictions_are_those_of_the_unswapped_model_on_bilinearly_resized_images(name, tmp_path):
    shipped, path = trained_without_the_plugin(name, tmp_path)
    swapped = swapped_with(path, name, tmp_path)
    batch = panoptic_batch()
    with torch.no_grad():
        wanted = shipped.test_step(resized_before(batch))
        found = swapped.test_step(batch)
    for a, b in zip(found, wanted):
        if name != 'solo':
            maps = [sample.pred_panoptic_seg.sem_seg for sample in (a, b)]
            assert maps[0].shape[-2:] == a.ori_shape
            assert (
                name == 'maskformer' or len(maps[1].unique()) > 1
            )  # a fresh MaskFormer sees no classes, but instances
            assert (maps[0] == maps[1]).float().mean() > 0.95  # fresh weights tell classes apart by a hair
        if 'pred_instances' in b:
            a, b = a.pred_instances, b.pred_instances
            assert len(b) > 0
            assert torch.equal(a.labels, b.labels)
            assert torch.allclose(a.scores, b.scores, rtol=0, atol=1e-4)
            assert b.masks.any()
            assert (a.masks == b.masks).float().mean() > 0.99
        else:
            assert name == 'panoptic_fpn'
