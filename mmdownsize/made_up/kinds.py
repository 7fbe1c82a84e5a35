"""Which annotations a config's model is trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of, nodes
from mmdownsize.made_up.steps import steps_of


@dataclass(frozen=True)
class Kinds:
    """Annotations that a pipeline loads.

    Attributes:
        boxes: Whether objects have boxes.
        masks: Whether objects have masks.
        polygons: Whether masks are polygons.
        semantic: Whether there is a semantic label map beside the objects.
        proposals: Whether there are proposals.
        edges: Whether there is a map of edges.
        depth: Whether there is a map of depths.
        border: Whether the image lies in a border, as CenterNet's do.
        first_stuff: The lowest label of the semantic map.
    """

    boxes: bool = True
    masks: bool = False
    polygons: bool = False
    semantic: bool = False
    proposals: bool = False
    edges: bool = False
    depth: bool = False
    border: bool = False
    first_stuff: int = 0


def kinds_of(cfg: Config) -> Kinds:
    """Return which annotations the training pipeline loads, and the labels that they may have."""
    training = list(steps_of(cfg.get('train_dataloader')))
    names = [name_of(step) for step in training]
    everywhere = {
        *names,
        *(name_of(step) for key in ('val', 'test') for step in steps_of(cfg.get(f'{key}_dataloader'))),
    }
    found: dict[str, Any] = dict(
        proposals='LoadProposals' in everywhere,
        border='RandomCenterCropPad' in everywhere,
        edges='GenerateEdge' in names,
        depth='LoadDepthAnnotation' in names,
        first_stuff=max((node.get('num_things_classes') or 0 for node in nodes(cfg.model)), default=0),
    )
    for name, step in zip(names, training):
        if name.endswith(('LoadAnnotations', 'LoadPanopticAnnotations')):
            panoptic = name.endswith('LoadPanopticAnnotations')
            found |= dict(
                boxes=step.get('with_bbox', True),
                masks=step.get('with_mask', panoptic),
                polygons=not panoptic and not step.get('poly2mask', True),
                semantic=step.get('with_seg', panoptic),
            )
    return Kinds(**found)


def channels_of(cfg: Config) -> int:
    """Return how many channels the images of a config have: as many as its ``mean``, its downsizer or its backbone wants."""
    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or {}
    mean = preprocessor.get('mean') or ()
    if len(mean) > 1:
        return len(mean)
    wanted = (part.get('in_channels') for part in (preprocessor.get('downsizer') or {}, model.get('backbone') or {}))
    return next((channels for channels in wanted if isinstance(channels, int)), 3)
