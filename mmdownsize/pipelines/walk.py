"""Every pipeline of a config, whatever is around it, and every step of a pipeline, whatever is around that.

A pipeline is a list of transforms under a key such as ``pipeline``, ``tta_pipeline`` or ``train_pipeline_stage2``. It may be in a
data set inside other data sets, in a hook, or at the top of the config, where it is a copy that child configs and some
inferencers read.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of
from mmdownsize.refusal import Refusal

# Keys and positions, from the outermost one to that of the value itself.
Path = tuple[str | int, ...]
# Transforms that apply each of those inside them, one after the other.
SEQUENCES = ('Compose', 'KeyMapper', 'TransformBroadcaster', 'ProposalBroadcaster', 'RandomOrder', 'MultiBranch')


@dataclass(frozen=True)
class Step:
    """A transform in a pipeline.

    Attributes:
        path: Where it is in the pipeline.
        settings: Its config.
        inside: Names of the transforms that it is inside of, outermost first.
    """

    path: Path
    settings: Mapping[str, Any]
    inside: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its class, without a scope."""
        return name_of(self.settings)

    @property
    def always(self) -> bool:
        """Whether every image goes through it: nothing around it chooses."""
        return all(name in SEQUENCES for name in self.inside)

    def __str__(self) -> str:
        return ' inside '.join([self.name, *reversed(self.inside)])


@dataclass(frozen=True)
class Pipeline:
    """A list of transforms in a config.

    Attributes:
        path: Where it is in the config.
        steps: Its transforms, as the config has them.
        reader: Which images go through it: ``'train'``, ``'val'``, ``'test'``, or ``'tta'`` for test-time augmentation. Empty if
            nothing reads it but child configs.
    """

    path: Path
    steps: Sequence[dict[str, Any]]
    reader: str

    @property
    def where(self) -> str:
        """Its place in the config, for messages."""
        return '.'.join(map(str, self.path))

    def walk(self) -> Iterator[Step]:
        """Yield every transform, also those inside others, in the order in which the config has them."""
        return _steps_in(self.steps, (), ())


def pipelines(cfg: Config) -> list[Pipeline]:
    """Return every pipeline of a config.

    Raises:
        Refusal: If a step of a pipeline is not a dict.
    """
    return list(_pipelines_in(dict(cfg.items()), (), cfg.get('default_scope')))


def read_by(cfg: Config, *readers: str) -> list[Pipeline]:
    """Return the pipelines that certain images go through; without ``readers`` all that any image goes through."""
    return [one for one in pipelines(cfg) if one.reader and (not readers or one.reader in readers)]


def chains(found: Sequence[Pipeline]) -> list[list[Pipeline]]:
    """Return which pipelines an image goes through, one after the other: that of its data set, then those of wrappers.

    ``MultiImageMixDataset`` and the like have a pipeline of their own, for what comes out of the data set inside them.
    """
    around = {one.path: [other for other in found if _is_around(other, one)] for one in found}
    outer = {other.path for others in around.values() for other in others}
    return [
        [one, *sorted(around[one.path], key=lambda other: -len(other.path))] for one in found if one.path not in outer
    ]


def chain_of(cfg: Config, loader: str) -> list[Pipeline]:
    """Return the pipelines that an image of a loader goes through; of several data sets those of the first one."""
    return next(iter(chains([one for one in pipelines(cfg) if one.path[0] == loader])), [])


def item(node: Any, path: Iterable[str | int]) -> Any:
    """Return what is at a path of a config."""
    for key in path:
        node = node[key]
    return node


def with_pipeline(dataset: dict[str, Any], steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a data set's config in which every data set has this pipeline.

    Raises:
        Refusal: If a wrapper has a pipeline of its own, which goes on with what comes out of the one inside.
    """
    dataset = copy.deepcopy(dataset)
    for first, *others in chains(list(_pipelines_in(dataset, ('dataset',), None))):
        if others:
            mixing = name_of(item(dataset, others[0].path[1:-1]))
            raise Refusal(f'{mixing} mixes images: put the data set inside it in its place')
        item(dataset, first.path[1:-1])[first.path[-1]] = copy.deepcopy(list(steps))
    return dataset


def _pipelines_in(node: Any, path: Path, scope: str | None) -> Iterator[Pipeline]:
    if isinstance(node, Mapping):
        entries: Iterable[tuple[str | int, Any]] = node.items()
    elif isinstance(node, list | tuple):
        entries = enumerate(node)
    else:
        return
    for key, value in entries:
        here = (*path, key)
        if 'pipeline' in str(key) and isinstance(value, list | tuple) and any(isinstance(one, dict) for one in value):
            for step in value:
                if not isinstance(step, dict):
                    raise Refusal(f'{".".join(map(str, here))}: a step must be dict(type=...), got {step!r}')
            yield Pipeline(here, value, _reader_of(here, scope))
        else:
            yield from _pipelines_in(value, here, scope)


def _reader_of(path: Path, scope: str | None) -> str:
    first = str(path[0])
    if first.endswith('dataloader'):
        return first.removesuffix('dataloader').rstrip('_')
    if 'hooks' in first:  # such as PipelineSwitchHook, which puts its own in the place of the loader's
        return 'train'
    if first == 'tta_pipeline':
        return 'tta'
    return 'test' if first == 'test_pipeline' and scope == 'mmseg' else ''  # mmseg's inference_model reads it


def _is_around(other: Pipeline, one: Pipeline) -> bool:
    outer, inner = other.path[:-1], one.path[:-1]
    return bool(outer) and other.path[-1] == 'pipeline' and outer != inner and inner[: len(outer)] == outer


def _steps_in(node: Any, path: Path, inside: tuple[str, ...]) -> Iterator[Step]:
    if isinstance(node, Mapping):
        if node.get('type'):
            step = Step(path, node, inside)
            yield step
            inside = (*inside, step.name)
        for key, value in node.items():
            yield from _steps_in(value, (*path, key), inside)
    elif isinstance(node, list | tuple):
        for position, value in enumerate(node):
            yield from _steps_in(value, (*path, position), inside)
