"""Made-up images and annotations for study/zoo/trial.py: the same scene at two sizes.

With ``factor`` 2 every pixel is repeated twice in both directions, and boxes, masks and maps are on the same grid. The
mean of every 2x2 pixels is then the image with ``factor`` 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from mmdownsize.configs import nodes
from mmdownsize.pipelines.walk import read_by

SURROUNDED = 1.5  # how many times larger original images are than what the pipeline delivers


def kinds_of(cfg: Config) -> dict[str, Any]:
    """Return which annotations the training pipeline loads, and the labels that they may have."""
    kinds: dict[str, Any] = dict(boxes=True, masks=False, polygons=False, semantic=False)
    kinds.update(proposals=False, edges=False, depth=False, border=False, first_stuff=0)
    for pipeline in read_by(cfg, 'train', 'val', 'test'):
        steps = [(step.name, step.settings) for step in pipeline.walk()]
        names = [name for name, _ in steps]
        kinds['proposals'] |= 'LoadProposals' in names
        kinds['border'] |= 'RandomCenterCropPad' in names
        if pipeline.reader != 'train':
            continue
        kinds['edges'] |= 'GenerateEdge' in names
        kinds['depth'] |= 'LoadDepthAnnotation' in names
        for name, settings in steps:
            panoptic = name == 'LoadPanopticAnnotations'
            if panoptic or name == 'LoadAnnotations':
                kinds['boxes'] = settings.get('with_bbox', True)
                kinds['masks'] = settings.get('with_mask', panoptic)
                kinds['polygons'] = not panoptic and not settings.get('poly2mask', True)
                kinds['semantic'] = settings.get('with_seg', panoptic)
    kinds['first_stuff'] = max((node.get('num_things_classes') or 0 for node in nodes(cfg.model)), default=0)
    return kinds


def doubled_batch(scope: str, hw: tuple[int, int], factor: int, kinds: dict[str, Any]) -> dict[str, Any]:
    """Return two images with annotations, as the pipelines would deliver them.

    Args:
        scope: ``'mmdet'`` or ``'mmseg'``.
        hw: Size in px of the layout.
        factor: How many times larger images and annotations are than that.
        kinds: As :func:`kinds_of` returns it.
    """
    make = det_sample if scope == 'mmdet' else seg_sample
    generator = np.random.default_rng(0)
    images, samples = [], []
    for _ in range(2):
        image = generator.integers(0, 256, (3, *hw), dtype=np.uint8)
        images.append(torch.from_numpy(repeated(image, factor)))
        sample = make(generator, hw, factor, kinds)
        ori_hw = tuple(int(side * SURROUNDED) for side in hw)
        sample.set_metainfo(
            dict(
                ori_shape=ori_hw,
                img_shape=tuple(side * factor for side in hw),
                scale_factor=(hw[1] * factor / ori_hw[1], hw[0] * factor / ori_hw[0]),
                flip=False,
                flip_direction=None,
                img_id=len(samples),
                img_path=f'{len(samples)}.png',
            )
        )
        if kinds['border']:  # (top, bottom, left, right) px of the image in its padding
            sample.set_metainfo(dict(border=np.array([4, hw[0], 8, hw[1]], np.float32) * factor))
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def repeated(values: np.ndarray, factor: int) -> np.ndarray:
    """Return (..., h, w) with every pixel ``factor`` times in both directions."""
    return values.repeat(factor, -1).repeat(factor, -2)


def det_sample(generator: np.random.Generator, hw: tuple[int, int], factor: int, kinds: dict[str, Any]) -> Any:
    """Return a sample of mmdet with three objects; see :func:`doubled_batch`."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    h, w = hw
    size = generator.integers((w // 4, h // 4), (w // 2, h // 2), (3, 2))
    corner = generator.integers((0, 0), (w // 2, h // 2), (3, 2))
    boxes = np.concatenate([corner, corner + size], axis=1)  # (3, 4) px of the layout
    sample = DetDataSample()

    def instances(rows: slice) -> InstanceData:
        part = boxes[rows]
        new = InstanceData(bboxes=HorizontalBoxes(torch.from_numpy(part * factor).float()))
        new.labels = torch.zeros(len(part), dtype=torch.long)
        if kinds['masks']:
            full = (h * factor, w * factor)
            if kinds['polygons']:
                outline = part[:, [0, 1, 2, 1, 2, 3, 0, 3]] * float(factor)
                new.masks = PolygonMasks([[polygon] for polygon in outline], *full)
            else:
                bitmaps = np.zeros((len(part), h, w), np.uint8)
                for bitmap, (x1, y1, x2, y2) in zip(bitmaps, part):
                    bitmap[y1:y2, x1:x2] = 1
                new.masks = BitmapMasks(repeated(bitmaps, factor), *full)
        return new

    sample.gt_instances = instances(slice(None))
    sample.ignored_instances = instances(slice(0, 0))
    if kinds['semantic']:
        labels = kinds['first_stuff'] + generator.integers(0, 2, (1, *hw))
        sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(repeated(labels, factor)))
    if kinds['proposals']:
        jittered = np.repeat(boxes, 8, axis=0) + generator.integers(-4, 5, (24, 4))
        limits = torch.tensor([w, h, w, h])
        near = torch.minimum(torch.from_numpy(jittered).clamp(min=0), limits) * float(factor)
        sample.proposals = InstanceData(bboxes=near, scores=torch.linspace(1, 0.5, len(near)))
    return sample


def seg_sample(generator: np.random.Generator, hw: tuple[int, int], factor: int, kinds: dict[str, Any]) -> Any:
    """Return a sample of mmseg; see :func:`doubled_batch`."""
    from mmseg.structures import SegDataSample

    def pixels(values: np.ndarray) -> PixelData:
        return PixelData(data=torch.from_numpy(repeated(values, factor)))

    # Blocks, not single pixels: heads that work with regions need some.
    coarse = generator.integers(0, 2, (1, -(-hw[0] // 16), -(-hw[1] // 16)))
    sample = SegDataSample(gt_sem_seg=pixels(repeated(coarse, 16)[:, : hw[0], : hw[1]].astype(np.int64)))
    if kinds['edges']:
        sample.gt_edge_map = pixels(generator.integers(0, 2, (1, *hw)))
    if kinds['depth']:
        sample.gt_depth_map = pixels(generator.random((1, *hw), dtype=np.float32) * 9 + 1)
    return sample
