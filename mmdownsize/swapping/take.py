"""Take the last ``Resize`` out of every pipeline of a config, so that the downsizer does its work."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.pipelines.sizes import draws, flat, is_sized
from mmdownsize.pipelines.walk import Path, Pipeline, Step, chains, item, pipelines
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit

SETTINGS = ('scale', 'scale_factor', 'keep_ratio')


def take_resize(cfg: Config) -> tuple[dict[str, Any], list[Edit]]:
    """Take the last ``Resize`` out of every pipeline.

    That is every pipeline of a loader, whatever data sets are around it, and of a hook that puts its own in its place. Also
    those of mmseg's ``inference_model`` and of test-time augmentation, and the copies at the top of the config, where they
    resize to the same size.

    Returns:
        The target size that it had, as the preprocessor's settings, and the edits.

    Raises:
        Refusal: If an image's pipelines have no ``Resize``, draw a size at random after it, or have a later step with a size of
            its own; or if they resize to different sizes.
    """
    found = pipelines(cfg)
    read = [one for one in found if one.reader not in ('', 'tta')]
    if not read:
        raise Refusal('the config has no pipelines to take a Resize from')
    taken = dict(_last_resize(chain) for chain in chains(read))
    targets = {where: target_of(item(cfg, path)) for path, where in taken.items()}
    target = next(iter(targets.values()))
    if any(one != target for one in targets.values()):
        raise Refusal(f'the pipelines resize to different sizes, {targets}: give --scale-factor or --scale')
    remarks = []
    for one in found:
        if one.reader == '':
            try:
                path, where = _last_resize([one])
            except Refusal:
                continue  # a part of a pipeline, or one of another training
            if target_of(item(cfg, path)) == target:
                taken[path] = where
            else:
                why = f'{where} keeps its Resize: no loader has this pipeline, and its size is another'
                remarks.append(Edit(where, KEPT, why))
        elif one.reader == 'tta':
            resizing = [step for step in one.walk() if 'Resize' in step.name]
            if resizing and all(step.name == 'Resize' and target_of(step.settings) == target for step in resizing):
                taken.update({(*one.path, *step.path): one.where for step in resizing})
    return target, [*_without(cfg, taken, target), *remarks]


def target_of(resize: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size that a ``Resize`` resizes to, as the preprocessor's settings."""
    return {key: resize[key] for key in SETTINGS if resize.get(key)}


def _last_resize(chain: Sequence[Pipeline]) -> tuple[Path, str]:
    """Return where the last ``Resize`` of an image is in the config, and the name of its pipeline."""
    steps = flat(chain)
    last = max((i for i, (_, step) in enumerate(steps) if _is_takeable(step)), default=None)
    later: Iterable[tuple[Pipeline, Step]] = steps if last is None else steps[last + 1 :]
    for pipeline, step in later:
        if draws(step):
            raise Refusal(
                f'{pipeline.where} has {step}, which draws a size: keep it and give --scale-factor '
                '(with train_scale_factor in the preprocessor the downsizer draws)'
            )
    if last is None:
        raise Refusal(f'{chain[-1].where} has no Resize to take: give --scale-factor or --scale')
    for pipeline, step in later:
        if is_sized(step):
            raise Refusal(
                f'{pipeline.where}: {step} after Resize works with pixels of the small image: move it before, or give '
                '--scale-factor'
            )
    pipeline, step = steps[last]
    return (*pipeline.path, *step.path), pipeline.where


def _is_takeable(step: Step) -> bool:
    return step.name == 'Resize' and step.always and isinstance(step.path[-1], int)  # one of a list


def _without(cfg: Config, taken: Mapping[Path, str], target: Mapping[str, Any]) -> list[Edit]:
    """Return the edits that take steps out of a config. A list in it is edited as a whole: a child config cannot do less."""
    edited = copy.deepcopy(cfg)
    wheres: dict[str, dict[str, None]] = {}
    for path in sorted(taken, key=_from_the_end, reverse=True):  # a step that is removed moves those after it
        _remove(edited, path)
    for path, where in taken.items():
        keys = path[: next(i for i, key in enumerate(path) if isinstance(key, int))]
        wheres.setdefault('.'.join(map(str, keys)), {})[where] = None
    return [
        Edit(
            key,
            item(edited, key.split('.')),
            f'{", ".join(names)}: Resize({dict(target)}) is taken out: the downsizer gets the image at full resolution',
        )
        for key, names in wheres.items()
    ]


def _from_the_end(path: Path) -> list[tuple[bool, str, int]]:
    return [(isinstance(key, int), '', key) if isinstance(key, int) else (False, key, 0) for key in path]


def _remove(cfg: Config, path: Path) -> None:
    """Remove a step, and the list around it where nothing else is in that: no alternative is left to choose."""
    *outer, position = path
    steps = item(cfg, outer)
    rest = [step for i, step in enumerate(steps) if i != position]
    if not rest and isinstance(outer[-1], int):
        _remove(cfg, tuple(outer))
    else:
        item(cfg, outer[:-1])[outer[-1]] = rest
