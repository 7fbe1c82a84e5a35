"""The size of the images that a config's pipelines deliver, as far as the config says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.geometry import TargetSize
from mmdownsize.pipelines.sizes import flat
from mmdownsize.pipelines.walk import Step, chain_of

HW = tuple[int, int]


def delivered_hw(cfg: Config, *, training: bool = False) -> HW | None:
    """Return the size of an image that a config's pipeline hands to the preprocessor.

    A ``Resize`` that keeps the aspect ratio is taken to fill its box with an image that is wide rather than high, and what draws
    a size to draw its largest.

    Args:
        cfg: The config.
        training: Whether of the images to train on. Otherwise of ``test_dataloader``, or of ``val_dataloader`` if there is none.

    Returns:
        (h, w) in px; None where the config does not say it: images then come as large as their files are.
    """
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    size = preprocessor.get('size')  # mmseg's: what training images are padded to
    if training and _is_pair(size):
        return int(size[0]), int(size[1])
    loaders = ['train_dataloader'] if training else ['test_dataloader', 'val_dataloader']
    chain = next(filter(None, (chain_of(cfg, loader) for loader in loaders)), [])
    scope = cfg.get('default_scope')
    hw = None
    for _, step in flat(chain):
        size_after = _STEPS.get(step.name)
        hw = size_after(step, hw, scope) if size_after else hw
    return hw


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(isinstance(side, int) for side in value)


def _largest(scales: Any) -> Any:
    """Return the largest of several scales, or the only one."""
    if isinstance(scales, Sequence) and scales and not _is_pair(scales):
        return max(scales, key=lambda scale: scale[0] * scale[1] if isinstance(scale, Sequence) else scale * scale)
    return scales


def _resized(step: Step, hw: HW | None, scope: str | None) -> HW | None:
    scale = _largest(step.settings.get('scales') or step.settings.get('scale'))
    if step.name == 'FixShapeResize':
        scale = (step.settings['width'], step.settings['height'])
    if scale is None:
        factor = step.settings.get('scale_factor')
        return None if factor is None or hw is None else TargetSize(scale_factor=factor).of(hw)
    if step.name == 'ResizeShortestEdge' or step.settings.get('resize_type') == 'ResizeShortestEdge':
        short = min(scale) if isinstance(scale, Sequence) else scale
        return TargetSize(scale_factor=short / min(hw)).of(hw) if hw else (short, short)
    keep_ratio = bool(step.settings.get('keep_ratio'))
    if keep_ratio and hw is None:
        return (min(scale), max(scale)) if isinstance(scale, Sequence) else (scale, scale)
    target = TargetSize(scale=tuple(scale) if isinstance(scale, Sequence) else scale, keep_ratio=keep_ratio)
    return target.of(hw or (1, 1))


def _cropped(step: Step, hw: HW | None, scope: str | None) -> HW | None:
    size = step.settings.get('crop_size')
    if isinstance(size, int):
        size = (size, size)
    if not _is_pair(size):  # none, or parts of the image's size
        return hw
    if step.settings.get('crop_type') == 'absolute_range':
        size = (max(size), max(size))
    # mmcv's and mmdet's crops have (w, h); mmdet's RandomCenterCropPad and mmseg's RandomCrop have (h, w).
    w_first = step.name == 'CenterCrop' or (step.name == 'RandomCrop' and scope == 'mmdet')
    h, w = reversed(size) if w_first else size
    fixed = hw is None or step.name == 'RandomCenterCropPad'  # which pads too
    return (h, w) if fixed else (min(h, hw[0]), min(w, hw[1]))


def _padded(step: Step, hw: HW | None, scope: str | None) -> HW | None:
    if _is_pair(step.settings.get('size')):
        w, h = step.settings['size']
        return (h, w) if hw is None else (max(h, hw[0]), max(w, hw[1]))
    if hw is None:
        return None
    if step.settings.get('pad_to_square'):
        hw = (max(hw), max(hw))
    divisor = step.settings.get('size_divisor') or (32 if step.name == 'ResizeToMultiple' else 1)
    return -(-hw[0] // divisor) * divisor, -(-hw[1] // divisor) * divisor


def _mosaic(step: Step, hw: HW | None, scope: str | None) -> HW | None:
    w, h = step.settings.get('img_scale', (640, 640))
    return 2 * h, 2 * w


def _bordered(step: Step, hw: HW | None, scope: str | None) -> HW | None:
    x, y = step.settings.get('border', (0, 0))
    return hw and (hw[0] + 2 * y, hw[1] + 2 * x)


_STEPS: dict[str, Callable[[Step, HW | None, str | None], HW | None]] = {
    **dict.fromkeys(
        ('Resize', 'RandomResize', 'RandomChoiceResize', 'FixShapeResize', 'FixScaleResize', 'ResizeShortestEdge'),
        _resized,
    ),
    **dict.fromkeys(('RandomCrop', 'CenterCrop', 'RandomCenterCropPad'), _cropped),
    **dict.fromkeys(('Pad', 'ResizeToMultiple'), _padded),
    **dict.fromkeys(('Mosaic', 'CachedMosaic', 'RandomMosaic'), _mosaic),
    'RandomAffine': _bordered,
}
