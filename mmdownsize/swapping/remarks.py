"""Settings in px that mean something else once a downsizer is before the model: what changes with it, and what to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from mmengine.config import Config

from mmdownsize.geometry import TargetSize
from mmdownsize.pipelines.walk import Step, read_by
from mmdownsize.swapping.edits import KEPT, Edit
from mmdownsize.swapping.variation import factor_of

TEST_CFG = 'model.test_cfg'


def scale_windows(cfg: Config, target: Mapping[str, Any]) -> list[Edit]:
    """Return the edits by which the windows of mmseg's slide mode show as much of an image as before.

    Args:
        cfg: The config, whose pipelines keep their sizes.
        target: The preprocessor's target size.
    """
    test_cfg = cfg.model.get('test_cfg')
    if not isinstance(test_cfg, Mapping) or test_cfg.get('mode') != 'slide':
        return []
    windows = {key: tuple(test_cfg[key]) for key in ('crop_size', 'stride') if isinstance(test_cfg.get(key), Sequence)}
    factor = target.get('scale_factor') or factor_of(cfg, target)
    if factor is None or not windows:
        described = ', '.join(f'{key}={test_cfg.get(key)}' for key in ('crop_size', 'stride'))
        why = (
            f'{TEST_CFG}: slide mode with {described}: these are pixels of the downsized image now, and are not scaled'
        )
        return [Edit(TEST_CFG, KEPT, f'{why}; scale them as scale={target.get("scale")} does the images')]
    scaled = {key: TargetSize(scale_factor=factor).of(hw) for key, hw in windows.items()}
    described = ', '.join(f'{key}={hw} -> {scaled[key]}' for key, hw in windows.items())
    why = (
        f"{TEST_CFG}: slide mode's windows are pixels of the downsized image: {described}, so that a window shows as much of an "
        'image as before, and as a training crop; the old values make larger windows'
    )
    return [Edit(f'{TEST_CFG}.{key}', hw, '' if i else why) for i, (key, hw) in enumerate(scaled.items())]


def remarks(cfg: Config, preprocessor: Mapping[str, Any], target: Mapping[str, Any]) -> list[Edit]:
    """Return what to know of settings that stay as they are.

    Args:
        cfg: The config.
        preprocessor: The config of its own preprocessor.
        target: The preprocessor's target size in training.
    """
    found = []
    crops = [step for pipeline in read_by(cfg, 'train') for step in pipeline.walk() if 'Crop' in step.name]
    if crops and (why := _about_crop(crops[0], target)):
        found.append(Edit('train_dataloader.dataset', KEPT, why))
    divisor = preprocessor.get('pad_size_divisor') or 1
    if divisor > 1:
        why = f'pad_size_divisor={divisor} now pads the downsized image: lower it if that adds much padding'
        found.append(Edit('model.data_preprocessor.pad_size_divisor', KEPT, why))
    if isinstance(preprocessor.get('size'), Sequence):
        why = f'size={tuple(preprocessor["size"])} stays the size before downsizing, and is scaled with the image'
        found.append(Edit('model.data_preprocessor.size', KEPT, why))
    return found


def _about_crop(crop: Step, target: Mapping[str, Any]) -> str:
    """Return what to know of crops that are cut for training before the downsizer; empty if there is nothing."""
    if 'scale' in target:
        return (
            f'{crop} in the training pipeline: its crops are resized to scale={target["scale"]} as whole images are, so by '
            'another factor; with --scale-factor the factor is the same for both'
        )
    size = crop.settings.get('crop_size')
    size = (size, size) if isinstance(size, Integral) else size
    if not isinstance(size, Sequence) or not all(isinstance(side, Integral) and side > 1 for side in size):
        return ''  # parts of an image
    factor = target['scale_factor']
    w, h = factor if isinstance(factor, Sequence) else (factor, factor)
    seen = TargetSize(scale_factor=factor).of(size)
    wanted = round(size[0] / h), round(size[1] / w)
    return (
        f'{crop} cuts crop_size={tuple(size)} before the downsizer, so the network is trained on {seen} px (h, w); '
        f'crop_size={wanted}, and a size in the preprocessor with it, would be {tuple(size)} px as before'
    )
