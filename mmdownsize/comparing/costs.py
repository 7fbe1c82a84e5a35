"""Arms at equal cost: a cheap resizer gets a larger target size, until its inference takes as long as another arm's."""

from __future__ import annotations

import copy
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdownsize.command_line import building
from mmdownsize.comparing.arms import Arm, config_of, preprocessor_of
from mmdownsize.comparing.start import load_without_preprocessor
from mmdownsize.configs import in_one_process
from mmdownsize.progress import track
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.storage import write_whole

MEASURED = (1.0, 1.5)  # areas of the target at which an arm is timed, as multiples of its own
ROUNDS = 10  # every arm is timed this often, in turn: what slows the machine for a while slows all arms
LARGEST = 4.0  # the largest multiple that is tried


def target_area(preprocessor: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the preprocessor's target with ``factor`` times the pixels.

    Args:
        preprocessor: Config of a preprocessor with ``scale`` (W, H) in pixels, or ``scale_factor``.
        factor: Of the area, above 0.

    Returns:
        The one setting, by its name.

    Raises:
        Refusal: If the preprocessor has neither.
    """
    side = factor**0.5
    for key in ('scale_factor', 'scale'):
        if preprocessor.get(key) is not None:
            numbers = preprocessor[key] if isinstance(preprocessor[key], list | tuple) else [preprocessor[key]]
            scaled = [round(n * side) if key == 'scale' else n * side for n in numbers]
            return {key: tuple(scaled) if isinstance(preprocessor[key], list | tuple) else scaled[0]}
    raise Refusal('equal_cost_to: the preprocessor has no scale and no scale_factor to raise')


class Inference:
    """A model that is ready to be timed on some of its validation images, as they may differ in size.

    Args:
        cfg: With ``val_dataloader`` and ``model``.
        images: How many images, at equal distances in the data set.
        checkpoint: Of the model: how much a detector finds decides what it does with it. None: random weights.

    Raises:
        Refusal: If the config has no ``val_dataloader``, or cannot be built.
    """

    def __init__(self, cfg: Config, images: int = 8, checkpoint: Path | None = None) -> None:
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        if cfg.get('val_dataloader') is None:
            raise Refusal('the config has no val_dataloader, and its images are used to measure the time: set it')
        in_one_process(cfg.model)
        with building():
            self._loader = Runner.build_dataloader(
                dict(copy.deepcopy(cfg.val_dataloader), batch_size=1, num_workers=0, persistent_workers=False), seed=0
            )
            self._model = MODELS.build(cfg.model)
            self._model.eval()  # in a statement of its own: mmdet's distillers return None
        if checkpoint is not None:
            load_without_preprocessor(self._model, checkpoint)
        self._indices = range(0, len(self._loader.dataset), -(-len(self._loader.dataset) // images))
        self._lowest = [math.inf] * len(self._indices)
        self._predict()  # the first time takes longer, and does not count

    def _predict(self) -> list[float]:
        times = []
        for index in self._indices:
            batch = self._loader.collate_fn([self._loader.dataset[index]])  # anew: a model may change its samples
            start = time.perf_counter()
            with torch.no_grad():
                self._model.val_step(batch)
            times.append(time.perf_counter() - start)
        return times

    def time(self) -> None:
        """Predict every image once more."""
        self._lowest = list(map(min, self._lowest, self._predict()))

    @property
    def seconds(self) -> float:
        """The mean over images, of each the least time so far: whatever else the machine does only adds to it."""
        return statistics.fmean(self._lowest)


def inference_seconds(cfg: Config, repeats: int = 7) -> float:
    """Return the time of a prediction in seconds: see :class:`Inference`."""
    inference = Inference(cfg)
    for _ in range(repeats):
        inference.time()
    return inference.seconds


def milliseconds(cfg: Config, arms: Sequence[Arm], checkpoint: Path | None = None) -> dict[str, float]:
    """Return the time of a prediction with every arm.

    Args:
        cfg: The config that all arms share.
        arms: The arms.
        checkpoint: See :class:`Inference`.
    """
    timed = {arm.name: Inference(config_of(cfg, arm, 0), checkpoint=checkpoint) for arm in track(arms, 'building')}
    for inference in track(list(timed.values()) * ROUNDS, 'timing'):
        inference.time()
    return {name: 1000 * inference.seconds for name, inference in timed.items()}


def at_equal_cost(cfg: Config, arm: Arm, other: Arm, seed: int) -> Arm:
    """Return the arm with its target raised to the other arm's time, by a line through two measured sizes."""
    wanted = inference_seconds(config_of(cfg, other, seed))
    own = config_of(cfg, arm, seed)
    path, preprocessor = preprocessor_of(own)
    times = []
    for area in MEASURED:
        raised = copy.deepcopy(own)
        preprocessor_of(raised)[1].update(target_area(preprocessor, area))
        times.append(inference_seconds(raised))
    slope = (times[1] - times[0]) / (MEASURED[1] - MEASURED[0])
    area = min(max(1.0, 1 + (wanted - times[0]) / slope), LARGEST) if slope > 0 else 1.0
    options = {**arm.options, **{f'{path}.{key}': value for key, value in target_area(preprocessor, area).items()}}
    return replace(arm, options=options, equal_cost_to=None)


def _measured(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        known = None
    if not isinstance(known, dict) or not all(isinstance(options, dict) for options in known.values()):
        raise Refusal(f'{path} does not hold options by arm: remove it, and it is measured again')
    return known


def resolve_costs(cfg: Config, arms: Sequence[Arm], seed: int, path: Path) -> list[Arm]:
    """Return the arms with every ``equal_cost_to`` replaced by the target size that costs as much.

    Args:
        cfg: The config that all arms share.
        arms: Those that ``equal_cost_to`` names are among them.
        seed: With which the arms are measured.
        path: File of what was measured, by arm. What is in it is not measured again.
    """
    known = _measured(path)
    resolved = []
    for arm in arms:
        if arm.equal_cost_to is not None:
            if arm.name not in known:
                other = next(a for a in arms if a.name == arm.equal_cost_to)
                known[arm.name] = at_equal_cost(cfg, arm, other, seed).options
                write_whole(path, json.dumps(known, indent=1))
            arm = replace(arm, options=known[arm.name], equal_cost_to=None)
        resolved.append(arm)
    return resolved
