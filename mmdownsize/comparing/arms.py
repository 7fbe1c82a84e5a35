"""The arms of a comparison: which resizer each has, and what else of the config it changes."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.arguments import positive
from mmdownsize.configs import channels_of, preprocessor_settings, read_config, read_fragment, type_of
from mmdownsize.preprocessors.build import for_channels
from mmdownsize.refusal import Refusal, in_words

RATES = 'optim_wrapper.paramwise_cfg.custom_keys'
ENTRIES = ('downsizer', 'options', 'equal_cost_to', 'train')  # of an arm in a file of arms


@dataclass(frozen=True)
class Arm:
    """A resizer, what else of the config it changes, and whether it is trained or only tested.

    Attributes:
        name: As it is in tables and logs.
        downsizer: Config of the resizer. ``'{seed}'`` in the name of a ``pretrained`` one is replaced.
        options: Settings by dotted key, as ``--cfg-options`` gives them.
        equal_cost_to: Name of the arm whose inference time this one is raised to, see :mod:`mmdownsize.comparing.costs`.
        train: False: the arm is only tested, as it starts.
    """

    name: str
    downsizer: dict[str, Any]
    options: dict[str, Any]
    equal_cost_to: str | None = None
    train: bool = True

    @property
    def depends_on_seed(self) -> bool:
        """Whether the seed decides anything besides the model's first weights. What is only tested draws nothing."""
        drawn = type_of(self.downsizer) != 'FixedResizer' and 'pretrained' not in self.downsizer
        return self.train or drawn or self.downsizer != downsizer_of(self, 0)


def load_arms(fragments: Sequence[str], path: Path | None, baseline: str | None) -> list[Arm]:
    """Return the arms of some fragments and of a file.

    Args:
        fragments: Names of files in ``configs/_base_/downsize``, without ``.py``.
        path: A Python file that sets ``arms = dict(NAME=dict(downsizer=...))``.
        baseline: Name of an arm that has to be among them.

    Raises:
        Refusal: If an arm is unknown, named twice or wrongly written, or the baseline is not among them.
    """
    arms = []
    for name in fragments:
        downsizer, rates = read_fragment(name)
        arms.append(Arm(name, downsizer, {RATES: rates} if rates else {}))
    if path is not None:
        entries = read_config(path).get('arms')
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise Refusal(f'{path} must set arms = dict(NAME=dict(downsizer=...)), got arms={entries!r}')
        arms += [_arm(name, entry.to_dict()) for name, entry in entries.items()]
    known = [arm.name for arm in arms]
    if len(set(known)) != len(known):
        raise Refusal(f'an arm is named twice: {", ".join(known)}')
    if not arms:
        raise Refusal('no arms: give --resizer or --arms')
    for wanted in (*([baseline] if baseline else []), *(arm.equal_cost_to for arm in arms if arm.equal_cost_to)):
        if wanted not in known:
            raise Refusal(f'no arm {wanted!r} among {", ".join(known)}')
    return arms


def _arm(name: str, entry: dict[str, Any]) -> Arm:
    unknown = entry.keys() - set(ENTRIES)
    if unknown or 'downsizer' not in entry:
        raise Refusal(
            f'arm {name!r} has downsizer, options, equal_cost_to and train, not {sorted(unknown) or "no downsizer"}'
        )
    for key in ('downsizer', 'options'):
        if not isinstance(entry.get(key, {}), dict):
            raise Refusal(f'arm {name!r}: {key} must be a dict, got {entry[key]!r}')
    return Arm(name, **{'options': {}, **entry})


def only(arms: Sequence[Arm], names: Sequence[str] | None) -> list[Arm]:
    """Return the arms of these names, in their own order; None: all.

    Raises:
        Refusal: If a name is not that of an arm.
    """
    unknown = set(names or ()) - {arm.name for arm in arms}
    if unknown:
        raise Refusal(f'--only: no arm {", ".join(sorted(unknown))} among {", ".join(arm.name for arm in arms)}')
    return [arm for arm in arms if names is None or arm.name in names]


def at_scales(arms: Sequence[Arm], cfg: Config, scales: Sequence[float] | None) -> list[Arm]:
    """Return every arm at every scale, by the name of :func:`name_at`; None: the arms as they are.

    Args:
        arms: Arms without ``equal_cost_to``, which is a scale of its own.
        cfg: The config that they share.
        scales: Scale factors from the source's side to the target's.

    Raises:
        Refusal: If the config's target is not a ``scale_factor``, a scale is not above 0 or named twice, or an arm has a size
            of its own.
    """
    if scales is None:
        return list(arms)
    path, preprocessor = preprocessor_of(cfg)
    if preprocessor.get('scale_factor') is None:
        raise Refusal("--scales: the config's preprocessor has a scale in px, say scale_factor in its place")
    if preprocessor.get('train_scale_factor') is not None:
        raise Refusal('--scales: the preprocessor has a train_scale_factor, which trains every arm at the same scales')
    for scale in scales:
        positive('--scales', scale)
    if len({name_at('', scale) for scale in scales}) != len(scales):
        raise Refusal(f'--scales: a scale is named twice, to 6 digits: {", ".join(map(str, scales))}')
    key = f'{path}.scale_factor'
    for arm in arms:
        if arm.equal_cost_to is not None or scale_in(arm.options) is not None:
            raise Refusal(
                f'--scales: arm {arm.name!r} has a size of its own (equal_cost_to, or {key} in its options): take that out, or '
                'leave out the arm with --only'
            )
    return [
        replace(arm, name=name_at(arm.name, scale), options={**arm.options, key: scale})
        for scale in scales
        for arm in arms
    ]


def name_at(name: str, scale: float) -> str:
    """Return the name of an arm at a scale, ``area@0.25``."""
    return f'{name}@{scale:g}'


def scale_in(options: Mapping[str, Any]) -> Any:
    """Return the scale factor of a preprocessor among settings by dotted key; None if there is none."""
    scales = (value for key, value in options.items() if re.fullmatch(r'.*\bdata_preprocessor\b.*\.scale_factor', key))
    return next(scales, None)


def check_replaceable(cfg: Config, path: Path) -> None:
    """Check that the config has a downsizer, which those of the arms replace.

    Raises:
        Refusal: If it has none.
    """
    if preprocessor_settings(cfg.get('model')) is None:
        raise Refusal(f'{path} has no model.data_preprocessor.downsizer to replace')


def preprocessor_of(cfg: Config) -> tuple[str, dict[str, Any]]:
    """Return the place, as a dotted path, and the settings of the preprocessor whose downsizer those of the arms replace."""
    return preprocessor_settings(cfg.model) or ('model.data_preprocessor', cfg.model.data_preprocessor)


def downsizer_of(arm: Arm, seed: int) -> dict[str, Any]:
    """Return an arm's downsizer, with the seed for ``'{seed}'`` in the name of a trained one."""
    if not isinstance(arm.downsizer.get('pretrained'), str):
        return arm.downsizer
    return {**arm.downsizer, 'pretrained': arm.downsizer['pretrained'].replace('{seed}', str(seed))}


def config_of(cfg: Config, arm: Arm, seed: int) -> Config:
    """Return the config of an arm and a seed; ``cfg`` stays as it is.

    Raises:
        Refusal: If the config has no place for an option of the arm.
    """
    cfg = copy.deepcopy(cfg)
    downsizer = for_channels(downsizer_of(arm, seed), channels_of(cfg.model))
    preprocessor_of(cfg)[1]['downsizer'] = downsizer  # replaced: an update would merge
    try:
        cfg.merge_from_dict(arm.options)
    except Exception as error:  # a setting may meet any kind of value
        raise Refusal(f'arm {arm.name!r}: the config has no place for {arm.options}: {in_words(error)}') from error
    cfg.merge_from_dict({'randomness.seed': seed})
    return cfg
