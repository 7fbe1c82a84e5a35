"""Try the model of a config with a downsizer on made-up data. Nothing is downloaded."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from mmdownsize.configs import without_downloads
from mmdownsize.made_up import made_up_batch
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

CHECKED_HW = (128, 160)  # size (h, w) of the made-up images in px


def check(cfg: Config) -> list[str]:
    """Build a config's model without pretrained weights; compute losses, gradients and a prediction on made-up data.

    Returns:
        What was found, a line each.

    Raises:
        Refusal: If a loss is not finite, or the downsizer is trainable but receives no gradient.
    """
    cfg = copy.deepcopy(cfg)
    init_default_scope(cfg.default_scope)
    without_downloads(cfg.model)
    if cfg.default_scope == 'mmseg' and cfg.model.data_preprocessor.get('size'):
        cfg.model.data_preprocessor.size = CHECKED_HW
    if isinstance(cfg.model.data_preprocessor.get('scale'), Sequence):
        cfg.model.data_preprocessor.scale = (CHECKED_HW[1] // 2, CHECKED_HW[0] // 2)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    model.train()
    losses = model(**model.data_preprocessor(made_up_batch(cfg.default_scope, CHECKED_HW), True), mode='loss')
    total, losses = model.parse_losses(losses)
    total.backward()
    bad = [name for name, value in losses.items() if not torch.isfinite(value).all()]
    if bad:
        raise Refusal(f'the losses are not finite: {", ".join(bad)}')
    parameters = list(model.data_preprocessor.downsizer.parameters())
    if parameters and not any(p.grad is not None and p.grad.any() for p in parameters):
        raise Refusal('the downsizer is trainable but receives no gradient')
    model.eval()  # in a statement of its own: mmdet's distillers return None
    with torch.no_grad():
        predicted = model.test_step(made_up_batch(cfg.default_scope, CHECKED_HW))
    found = ', '.join(f'{name} {float(value.detach()):.3f}' for name, value in losses.items() if value.numel() == 1)
    return [f'losses and gradients: {found}', f'a prediction: {len(predicted)} samples']
