"""Which annotations a config's model is trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import nodes
from mmdownsize.pipelines.walk import read_by


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
    training = [step for pipeline in read_by(cfg, 'train') for step in pipeline.walk()]
    names = [step.name for step in training]
    everywhere = {step.name for pipeline in read_by(cfg, 'train', 'val', 'test') for step in pipeline.walk()}
    found: dict[str, Any] = dict(
        proposals='LoadProposals' in everywhere,
        border='RandomCenterCropPad' in everywhere,
        edges='GenerateEdge' in names,
        depth='LoadDepthAnnotation' in names,
        first_stuff=max((node.get('num_things_classes') or 0 for node in nodes(cfg.model)), default=0),
    )
    for step in training:
        if step.name in ('LoadAnnotations', 'LoadPanopticAnnotations'):
            panoptic = step.name == 'LoadPanopticAnnotations'
            found |= dict(
                boxes=step.settings.get('with_bbox', True),
                masks=step.settings.get('with_mask', panoptic),
                polygons=not panoptic and not step.settings.get('poly2mask', True),
                semantic=step.settings.get('with_seg', panoptic),
            )
    return Kinds(**found)
