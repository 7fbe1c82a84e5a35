"""Whether a config with a downsizer works: its model on made-up data, without anything to be downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

CHECKED_HW = (128, 160)


def made_up_batch(cfg: Config) -> dict[str, Any]:
    """Return two images with annotations, as the pipelines would deliver them."""
    h, w = CHECKED_HW
    torch.manual_seed(0)
    if cfg.default_scope == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        batch = demo_mm_inputs(
            2, [(3, h, w), (3, h, w)], with_mask=True, with_semantic=True, num_classes=2, use_box_type=True
        )
        for sample in batch['data_samples']:
            sample.set_metainfo(dict(ori_shape=(h, w), img_shape=(h, w), scale_factor=(1.0, 1.0)))
        return batch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, h, w)))) for _ in range(2)]
    for sample in samples:
        sample.set_metainfo(dict(ori_shape=(h, w), img_shape=(h, w)))
    return dict(inputs=[torch.randint(0, 256, (3, h, w), dtype=torch.uint8) for _ in samples], data_samples=samples)


def without_downloads(node: Any) -> None:
    """Take every pretrained checkpoint out of a model's config."""
    if isinstance(node, dict):
        if isinstance(node.get('init_cfg'), dict) and 'checkpoint' in node['init_cfg']:  # PVT's has no type
            node['init_cfg'] = None
        elif isinstance(node.get('init_cfg'), list):
            node['init_cfg'] = [init for init in node['init_cfg'] if 'checkpoint' not in init]
        for key in ('pretrained', 'teacher_ckpt'):  # the latter of mmdet's distillers
            if isinstance(node.get(key), str):
                node[key] = None
        for value in node.values():
            without_downloads(value)
    elif isinstance(node, list | tuple):
        for value in node:
            without_downloads(value)


def check(cfg: Config) -> list[str]:
    """Build a config's model, compute losses and gradients, and predict, on made-up data and without pretrained weights.

    Returns:
        What was found, a line each.

    Raises:
        ValueError: If the losses are not finite or the downsizer gets no gradient.
    """
    init_default_scope(cfg.default_scope)
    without_downloads(cfg.model)
    if cfg.default_scope == 'mmseg' and cfg.model.data_preprocessor.get('size'):
        cfg.model.data_preprocessor.size = CHECKED_HW
    if isinstance(cfg.model.data_preprocessor.get('scale'), Sequence):
        cfg.model.data_preprocessor.scale = (CHECKED_HW[1] // 2, CHECKED_HW[0] // 2)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    model.train()
    losses = model(**model.data_preprocessor(made_up_batch(cfg), True), mode='loss')
    total, losses = model.parse_losses(losses)
    total.backward()
    bad = [name for name, value in losses.items() if not torch.isfinite(value).all()]
    if bad:
        raise Refusal(f'losses that are not finite: {", ".join(bad)}')
    parameters = list(model.data_preprocessor.downsizer.parameters())
    if parameters and not any(p.grad is not None and p.grad.any() for p in parameters):
        raise Refusal('the downsizer gets no gradient')
    model.eval()  # in a statement of its own: mmdet's distillers return None
    with torch.no_grad():
        predicted = model.test_step(made_up_batch(cfg))
    found = ', '.join(f'{name} {float(value):.3f}' for name, value in losses.items() if value.numel() == 1)
    return [f'losses and gradients: {found}', f'a prediction: {len(predicted)} samples']
