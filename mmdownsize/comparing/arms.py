"""The arms of tools/compare.py: which resizers, what else they change, and what costs the same."""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdownsize.configs import read_config, read_fragment
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.storage import write_whole

RATES = 'optim_wrapper.paramwise_cfg.custom_keys'


@dataclass(frozen=True)
class Arm:
    """A resizer, what else of the config it changes, and whether it is trained or only tested."""

    name: str
    downsizer: dict[str, Any]
    options: dict[str, Any]
    equal_cost_to: str | None = None
    train: bool = True

    @property
    def depends_on_seed(self) -> bool:
        """Whether the seed decides anything beside the model's weights at the start: what is only tested draws nothing."""
        drawn = self.downsizer['type'] != 'FixedResizer' and 'pretrained' not in self.downsizer
        return self.train or drawn or self.downsizer != downsizer_of(self, 0)


def load_arms(names: Sequence[str], path: Path | None, baseline: str | None) -> list[Arm]:
    """Return the arms of the command line.

    Raises:
        ValueError: If one is unknown, named twice or wrongly written, or the baseline is not among them.
    """
    arms = []
    for name in names:
        downsizer, rates = read_fragment(name)
        arms.append(Arm(name, downsizer, {RATES: rates} if rates else {}))
    if path is not None:
        entries = read_config(path).get('arms')
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise Refusal(f'{path} must set arms = dict(NAME=dict(downsizer=...)), got arms={entries!r}')
        for name, entry in entries.items():
            entry = entry.to_dict()
            unknown = entry.keys() - {'downsizer', 'options', 'equal_cost_to', 'train'}
            if unknown or 'downsizer' not in entry:
                raise Refusal(
                    f'arm {name!r} has downsizer, options, equal_cost_to and train, '
                    f'not {sorted(unknown) or "no downsizer"}'
                )
            arms.append(Arm(name, **{'options': {}, **entry}))
    known_arms = [arm.name for arm in arms]
    if len(set(known_arms)) != len(known_arms):
        raise Refusal(f'an arm is named twice: {", ".join(known_arms)}')
    if not arms:
        raise Refusal('no arms: give --arm or --arms')
    for wanted in (*([baseline] if baseline else []), *(arm.equal_cost_to for arm in arms if arm.equal_cost_to)):
        if wanted not in known_arms:
            raise Refusal(f'no arm {wanted!r} among {", ".join(known_arms)}')
    return arms


def only(arms: Sequence[Arm], names: Sequence[str] | None) -> list[Arm]:
    """Return the arms of these names, in their own order; None: all.

    Raises:
        ValueError: If there is none of a name.
    """
    unknown = set(names or ()) - {arm.name for arm in arms}
    if unknown:
        raise Refusal(f'--only: no arm {", ".join(sorted(unknown))} among {", ".join(arm.name for arm in arms)}')
    return [arm for arm in arms if names is None or arm.name in names]


def check_replaceable(cfg: Config, path: Path) -> None:
    """Check that there is a downsizer that those of the arms take the place of.

    Raises:
        ValueError: If there is none.
    """
    if 'downsizer' not in cfg.get('model', {}).get('data_preprocessor', {}):
        raise Refusal(f'{path} has no model.data_preprocessor.downsizer to replace')


def downsizer_of(arm: Arm, seed: int) -> dict[str, Any]:
    """Return an arm's downsizer, with the seed in the place of '{seed}' in the name of a trained one."""
    if not isinstance(arm.downsizer.get('pretrained'), str):
        return arm.downsizer
    return {**arm.downsizer, 'pretrained': arm.downsizer['pretrained'].replace('{seed}', str(seed))}


def config_of(cfg: Config, arm: Arm, seed: int) -> Config:
    """Return the config of an arm and a seed."""
    cfg = copy.deepcopy(cfg)
    cfg.model.data_preprocessor['downsizer'] = downsizer_of(arm, seed)  # replaced, where an update would merge
    cfg.merge_from_dict(arm.options)
    cfg.merge_from_dict({'randomness.seed': seed})
    return cfg


def target_area(preprocessor: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the preprocessor's target with ``factor`` times the pixels."""
    side = factor**0.5
    for key in ('scale_factor', 'scale'):
        if preprocessor.get(key) is not None:
            numbers = preprocessor[key] if isinstance(preprocessor[key], list | tuple) else [preprocessor[key]]
            scaled = [round(n * side) if key == 'scale' else n * side for n in numbers]
            return {key: tuple(scaled) if isinstance(preprocessor[key], list | tuple) else scaled[0]}
    raise Refusal('the preprocessor has no scale and no scale_factor to raise')


def inference_seconds(cfg: Config, repeats: int = 7) -> float:
    """Return the median time of a prediction on a validation image."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    dataset = Runner.build_dataloader(
        dict(copy.deepcopy(cfg.val_dataloader), num_workers=0, persistent_workers=False), seed=0
    )
    model = MODELS.build(cfg.model).eval()
    times = []
    for _ in range(repeats + 1):
        batch = next(iter(dataset))
        start = time.perf_counter()
        with torch.no_grad():
            model.val_step(batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def at_equal_cost(cfg: Config, arm: Arm, other: Arm, seed: int) -> Arm:
    """Return the arm with its target raised to the other arm's time, by a line through two measured sizes."""
    wanted = inference_seconds(config_of(cfg, other, seed))
    own = config_of(cfg, arm, seed)
    areas, times = (1.0, 1.5), []
    for area in areas:
        raised = copy.deepcopy(own)
        raised.model.data_preprocessor.update(target_area(own.model.data_preprocessor, area))
        times.append(inference_seconds(raised))
    slope = (times[1] - times[0]) / (areas[1] - areas[0])
    area = min(max(1.0, 1 + (wanted - times[0]) / slope), 4.0) if slope > 0 else 1.0
    target = target_area(own.model.data_preprocessor, area)
    options = {**arm.options, **{f'model.data_preprocessor.{key}': value for key, value in target.items()}}
    return replace(arm, options=options, equal_cost_to=None)


def resolve_costs(cfg: Config, arms: list[Arm], seed: int, path: Path) -> list[Arm]:
    """Return the arms with every ``equal_cost_to`` measured, once and for all of this work dir."""
    known = json.loads(path.read_text()) if path.is_file() else {}
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
