"""Try the model of a config with a downsizer on made-up data of the config's own sizes. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmdownsize.configs import channels_of
from mmdownsize.made_up import kinds_of, made_up_batch
from mmdownsize.pipelines.said import delivered_hw
from mmdownsize.quiet import nothing_else_said
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.build import build, seed
from mmdownsize.swapping.predicted import prediction_of

# Where images come as large as their files are: photographs of COCO and of Cityscapes, at half their size.
FILE_HW = {'mmdet': (480, 640), 'mmseg': (512, 1024)}  # px
ORIGINAL = 1.5  # how many times larger an image file is than what the pipeline delivers


def check(cfg: Config, *, log: bool = False, hw: tuple[int, int] | None = None) -> list[str]:
    """Build a config's model without pretrained weights; compute losses, gradients and a prediction on made-up data.

    Images have the size that the config's own pipelines deliver, in training and at test time, unless ``hw`` says another.

    Args:
        cfg: The config, with a downsizer.
        log: Whether to let mmengine log, and other packages warn.
        hw: Size (h, w) in px of all images.

    Returns:
        What was found, a line each: in training, and at test time.

    Raises:
        Refusal: If a loss is not finite, the downsizer is trainable but receives no gradient, or a prediction is not one of
            the image. What the model itself raises is raised as it is.
    """
    with nullcontext() if log else nothing_else_said():
        init_default_scope(cfg.default_scope)
        model = build(cfg)
        return [
            _trained(model, cfg, hw or source_hw(cfg, training=True)),
            _tested(model, cfg, hw or source_hw(cfg, training=False)),
        ]


def source_hw(cfg: Config, *, training: bool) -> tuple[int, int]:
    """Return the size (h, w) in px of the images that the pipeline delivers; where it depends on their files, a usual one."""
    hw = delivered_hw(cfg, training=training)
    if hw is not None:
        return hw
    scale = cfg.model.data_preprocessor.get('scale')
    if scale is None:
        return FILE_HW.get(cfg.default_scope, (480, 640))
    w, h = scale if isinstance(scale, Sequence) else (scale, scale)
    return 2 * h, 2 * w


def losses_of(model: nn.Module, data: dict) -> tuple[Tensor, dict[str, float]]:
    """Return the loss to be minimised, and every logged value, of a batch from the preprocessor.

    Raises:
        Refusal: If one is not finite.
    """
    total, logged = model.parse_losses(model(**data, mode='loss'))
    bad = [name for name, value in logged.items() if not torch.isfinite(value).all()]
    if bad:
        raise Refusal(f'losses that are not finite: {", ".join(bad)}')
    return total, {name: float(value.detach()) for name, value in logged.items() if value.numel() == 1}


def _trained(model: nn.Module, cfg: Config, hw: tuple[int, int]) -> str:
    seed()
    model.train()  # in a statement of its own: mmdet's distillers return None
    batch = made_up_batch(cfg.default_scope, hw, channels=channels_of(cfg.model), kinds=kinds_of(cfg))
    data = model.data_preprocessor(batch, True)
    total, losses = losses_of(model, data)
    total.backward()
    parameters = list(model.data_preprocessor.downsizer.parameters())
    if parameters and not any(p.grad is not None and p.grad.any() for p in parameters):
        raise Refusal('the downsizer is trainable but receives no gradient')
    found = ', '.join(f'{name} {value:.3f}' for name, value in losses.items())
    return f'works in training: {_sizes(hw, data)}: losses and gradients: {found}'


def _tested(model: nn.Module, cfg: Config, hw: tuple[int, int]) -> str:
    seed()
    model.eval()
    batch = made_up_batch(
        cfg.default_scope,
        hw,
        images=1,
        channels=channels_of(cfg.model),
        annotated=False,
        kinds=kinds_of(cfg),
        ori_hw=(round(hw[0] * ORIGINAL), round(hw[1] * ORIGINAL)),
    )
    with torch.no_grad():
        (predicted,) = model.test_step(batch)
        data = model.data_preprocessor(batch, False)
    return f'works at test time: {_sizes(hw, data)}: a prediction: {prediction_of(predicted)["words"]}'


def _sizes(src_hw: tuple[int, int], data: dict) -> str:
    """Return in words what the preprocessor makes of images."""
    resized, fed = (tuple(hw[:2]) for hw in (data['data_samples'][0].img_shape, data['inputs'][0].shape[-2:]))
    h, w = resized
    padded = '' if fed == resized else f', padded to {fed[0]}x{fed[1]}'
    return f'{src_hw[0]}x{src_hw[1]} px (h x w) become {h}x{w}{padded}'
