"""What the steps of a pipeline do to the size of an image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.geometry import TargetSize
from mmdownsize.pipelines.walk import Pipeline, Step, chains, pipelines, read_by

# Steps that draw the size of an image at random.
DRAWING = ('RandomResize', 'RandomChoiceResize', 'RandomScale')
# Names, and settings, of steps that work with pixels of the image that they get.
SIZED_NAME = re.compile('Crop|Pad|Mosaic|MixUp|Resize|MaxSize|RandomAffine|RandomScale|^Expand$')
SIZED_SETTINGS = (
    'border',
    'crop_size',
    'cutout_shape',
    'edge_width',
    'img_scale',
    'max_shift_px',
    'max_size',
    'size',
    'size_divisor',
)

SAME = 0.01  # factors of width and height that differ by less are one: sizes are whole px


def draws(step: Step) -> bool:
    """Return whether a step draws the size of an image: at random, or because only some images are resized."""
    if step.name == 'ResizeShortestEdge':  # mmdet's draws one of several
        scales = step.settings.get('scale')
        return not step.always or (isinstance(scales, Sequence) and isinstance(scales[0], Sequence))
    return step.name in DRAWING or ('Resize' in step.name and not step.always)


def is_sized(step: Step) -> bool:
    """Return whether a step has a size of its own, in px of the image that it gets."""
    if SIZED_NAME.search(step.name) or any(key in step.settings for key in SIZED_SETTINGS):
        return True
    lowest = step.settings.get('min_gt_bbox_wh')  # up to 1 px it only removes what is empty
    return isinstance(lowest, Sequence) and max(lowest) > 1


def flat(chain: Sequence[Pipeline]) -> list[tuple[Pipeline, Step]]:
    """Return every step of the pipelines that an image goes through, in order."""
    return [(pipeline, step) for pipeline in chain for step in pipeline.walk()]


def varying(chain: Sequence[Pipeline]) -> tuple[Pipeline, Step] | None:
    """Return the step that gives images of a chain of pipelines different sizes; None if a later one ends that."""
    found = None
    for pipeline, step in flat(chain):
        if draws(step):
            found = pipeline, step
        elif step.always and _ends_variation(step):
            found = None
    return found


def drawn_in_training(cfg: Config) -> tuple[Pipeline, Step] | None:
    """Return the step that gives the training images of a config different sizes; None if there is none."""
    return next(filter(None, map(varying, chains(read_by(cfg, 'train')))), None)


def resized_to(step: Step) -> tuple[int, int] | None:
    """Return the size (w, h) in px that a step resizes to; None if it does not name one."""
    scale = step.settings.get('scale')
    if step.name == 'FixShapeResize':
        scale = step.settings.get('width'), step.settings.get('height')
    if 'Resize' not in step.name or draws(step):
        return None
    if isinstance(scale, int):
        return scale, scale
    if not isinstance(scale, Sequence) or len(scale) != 2 or not all(isinstance(side, int) for side in scale):
        return None
    return scale[0], scale[1]


def named_size(cfg: Config, *readers: str) -> tuple[tuple[int, int], bool] | None:
    """Return the size that a config's pipelines resize images to, last of all.

    Args:
        cfg: The config.
        readers: Whose pipelines: the first of them that the config has.

    Returns:
        (w, h) in px as their last ``Resize`` names it, and whether it keeps the aspect ratio. None if they name none, or
        several.
    """
    by_reader = ([one for one in pipelines(cfg) if one.reader == reader] for reader in readers)
    found = {_last_size(chain) for chain in chains(next(filter(None, by_reader), []))}
    return found.pop() if len(found) == 1 else None


def factor_of(cfg: Config, target: Mapping[str, Any]) -> float | None:
    """Return by what factor a target makes the images smaller that are tested; None if that depends on the image.

    Args:
        cfg: The config.
        target: The preprocessor's target size.
    """
    if 'scale_factor' in target:
        factor = target['scale_factor']
        return float(factor) if isinstance(factor, int | float) else None
    tested = named_size(cfg, 'test', 'val')
    if tested is None:
        return None
    (w, h), keeps_ratio = tested
    if not keeps_ratio:
        small_h, small_w = TargetSize(**target).of((h, w))
        first, second = small_h / h, small_w / w
    elif target.get('keep_ratio'):  # an image fits into the smaller box as it does into the larger one
        box = target['scale'] if isinstance(target['scale'], Sequence) else (target['scale'], target['scale'])
        first, second = min(box) / min(w, h), max(box) / max(w, h)
    else:
        return None
    return round(first, 4) if abs(first - second) <= SAME * first else None


def sizes_tried(pipeline: Pipeline) -> set[str]:
    """Return the sizes at which test-time augmentation in a pipeline shows every image, in the words of the config."""
    found: list[object] = []
    for step in pipeline.walk():
        if step.name == 'MultiScaleFlipAug':
            scales = step.settings.get('scales') or step.settings.get('scale_factor')
            found += scales if isinstance(scales, list) else [scales]
        elif 'Resize' in step.name and 'TestTimeAug' in step.inside:
            found.append([step.settings.get(key) for key in ('scale', 'scale_factor', 'width', 'height')])
    return set(map(str, found))


def _last_size(chain: Sequence[Pipeline]) -> tuple[tuple[int, int], bool] | None:
    for _, step in reversed(flat(chain)):
        if 'Resize' in step.name or step.name in DRAWING:
            size = resized_to(step)
            return None if size is None else (size, bool(step.settings.get('keep_ratio')))
    return None


def _ends_variation(step: Step) -> bool:
    if step.name == 'Pad':
        return bool(step.settings.get('size'))
    if step.name == 'RandomCenterCropPad':
        return bool(step.settings.get('crop_size'))
    return 'Mosaic' in step.name or step.name == 'RandomResizedCrop' or resized_to(step) is not None
