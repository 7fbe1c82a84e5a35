"""RefineDet on noise: its data and pretrained weights cannot be had here."""

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')

from mmdet.structures import DetDataSample

from tests.configs.catalogue import CONFIGS, load

# A config: the size that its pipeline delivers, and the one that its model sees.
DETECTORS_ON_NOISE = {
    'refinedet_vgg16_voc0712-320x320': (320, 320),
    'refinedet_vgg16_voc2007-300x300-to-160x160': (300, 160),
}


@pytest.mark.parametrize('name', DETECTORS_ON_NOISE)
def test_a_step_on_noise_reaches_all_and_predictions_fit_the_image(name: str) -> None:
    delivered, seen = DETECTORS_ON_NOISE[name]
    (path,) = [path for path in CONFIGS if path.stem == name]
    cfg = load(path)
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        assert [step.scale for step in pipeline if step.type == 'Resize'] == [(delivered, delivered)]
    assert cfg.model.backbone.init_cfg.checkpoint == 'open-mmlab://vgg16_caffe'
    cfg.model.backbone.init_cfg = None  # its weights would be downloaded
    model = MODELS.build(cfg.model)
    model.init_weights()
    shapes = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(delivered, delivered), ori_shape=(2 * delivered, 3 * delivered), scale_factor=(1 / 3, 0.5)
        )
    )
    corners = torch.tensor([[0.1, 0.1, 0.9, 0.9], [0.0, 0.6, 0.4, 1.0], [0.8, 0.2, 1.0, 0.4], [0.1, 0.1, 0.2, 0.2]])
    sample.gt_instances = InstanceData(bboxes=delivered * corners, labels=torch.tensor([3, 14, 0, 19]))
    image = torch.randint(0, 256, (3, delivered, delivered), dtype=torch.uint8)
    batch = dict(inputs=[image, image.flip(-1)], data_samples=[sample, sample.clone()])
    MMLogger.get_current_instance().setLevel('WARNING')
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    grads = {}
    wrapper.optimizer.register_step_pre_hook(lambda *_: grads.update({n: p.grad for n, p in model.named_parameters()}))
    for _ in range(2 if seen < delivered else 1):  # the texture of an exact start has no gradient in the first
        losses = model.train().train_step(batch, wrapper)
        assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    # A level that no object matches is silent: with 160 px the one whose anchors are larger than the image; and what the
    # ODM matches depends on where the ARM has moved the anchors.
    silent = {name for name, grad in grads.items() if not grad.any()}
    assert all(name.startswith('bbox_head.odm_' if seen == 320 else 'bbox_head.') for name in silent)

    with torch.no_grad():
        (found,) = model.eval().val_step(dict(inputs=[image], data_samples=[sample]))
    assert set(shapes) == {(2, 3, seen, seen), (1, 3, seen, seen)}
    boxes = found.pred_instances.bboxes
    height, width = sample.ori_shape
    assert bool((boxes >= 0).all()) and bool((boxes <= torch.tensor([width, height] * 2) + 1e-2).all())
    assert boxes[:, 2].max() > 0.8 * width and boxes[:, 3].max() > 0.8 * height
