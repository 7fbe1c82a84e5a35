"""Made-up images with annotations, as the pipelines of mmdet and mmsegmentation deliver them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData

from mmdownsize.made_up.kinds import Kinds
from mmdownsize.refusal import Refusal

BLOCK = 16  # px; heads that work with regions need some, not single pixels
NEAR = 8  # proposals an object
USUAL = Kinds(masks=True, semantic=True)


def made_up_batch(
    scope: str | None,
    src_hw: tuple[int, int],
    *,
    images: int = 2,
    channels: int = 3,
    annotated: bool = True,
    kinds: Kinds = USUAL,
    ori_hw: tuple[int, int] | None = None,
    repeat: int = 1,
) -> dict[str, Any]:
    """Return a batch of random images, the same in every call.

    Args:
        scope: ``'mmdet'`` or ``'mmseg'``: whose data samples.
        src_hw: Size (h, w) of the images in px.
        images: How many.
        channels: Of each image.
        annotated: Whether there are annotations, for a loss. Proposals are there in either case, if the kinds have them.
        kinds: Which annotations there are.
        ori_hw: Size (h, w) in px of the image files, before a ``Resize`` of the pipeline; None: ``src_hw``.
        repeat: How often every pixel is repeated in both directions, with the annotations on the same grid. ``src_hw`` and
            ``ori_hw`` are the sizes without it; only the original image is not larger.

    Returns:
        ``inputs``, a list of uint8 images (C, H, W), and ``data_samples``.

    Raises:
        Refusal: If the scope is another.
    """
    if scope not in ('mmdet', 'mmseg'):
        raise Refusal(f"default_scope must be 'mmdet' or 'mmseg', got {scope!r}")
    make = _det_sample if scope == 'mmdet' else _seg_sample
    generator = np.random.default_rng(0)
    ori_hw = ori_hw or src_hw
    inputs, samples = [], []
    for i in range(images):
        image = generator.integers(0, 256, (channels, *src_hw), dtype=np.uint8)
        inputs.append(torch.from_numpy(repeated(image, repeat)))
        sample = make(generator, src_hw, repeat, kinds, annotated)
        sample.set_metainfo(
            dict(
                ori_shape=ori_hw,
                img_shape=(src_hw[0] * repeat, src_hw[1] * repeat),
                scale_factor=(src_hw[1] * repeat / ori_hw[1], src_hw[0] * repeat / ori_hw[0]),
                flip=False,
                flip_direction=None,
                img_id=i,
                img_path=f'{i}.png',
            )
        )
        if kinds.border:  # (top, bottom, left, right) px of the image in its padding
            sample.set_metainfo(dict(border=np.array([4, src_hw[0], 8, src_hw[1]], np.float32) * repeat))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def repeated(values: np.ndarray, times: int) -> np.ndarray:
    """Return (..., h, w) with every pixel ``times`` times in both directions."""
    return values.repeat(times, -1).repeat(times, -2)


def _det_sample(generator: np.random.Generator, hw: tuple[int, int], repeat: int, kinds: Kinds, annotated: bool) -> Any:
    """Return a sample of mmdet with three objects; see :func:`made_up_batch`."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    h, w = (max(side, 4) for side in hw)
    size = generator.integers((w // 4, h // 4), (w // 2, h // 2), (3, 2))
    corner = generator.integers((0, 0), (w // 2, h // 2), (3, 2))
    boxes = np.concatenate([corner, corner + size], axis=1)  # (3, 4) px, without the repetition
    sample = DetDataSample()

    def instances(rows: slice) -> InstanceData:
        part = boxes[rows]
        new = InstanceData(bboxes=HorizontalBoxes(torch.from_numpy(part * repeat).float()))
        new.labels = torch.zeros(len(part), dtype=torch.long)
        if kinds.masks:
            full = (h * repeat, w * repeat)
            if kinds.polygons:
                outline = part[:, [0, 1, 2, 1, 2, 3, 0, 3]] * float(repeat)
                new.masks = PolygonMasks([[polygon] for polygon in outline], *full)
            else:
                bitmaps = np.zeros((len(part), h, w), np.uint8)
                for bitmap, (x1, y1, x2, y2) in zip(bitmaps, part):
                    bitmap[y1:y2, x1:x2] = 1
                new.masks = BitmapMasks(repeated(bitmaps, repeat), *full)
        return new

    if annotated:
        sample.gt_instances = instances(slice(None))
        sample.ignored_instances = instances(slice(0, 0))
        if kinds.semantic:
            labels = kinds.first_stuff + generator.integers(0, 2, (1, *hw))
            sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(repeated(labels, repeat)))
    if kinds.proposals:
        jittered = np.repeat(boxes, NEAR, axis=0) + generator.integers(-4, 5, (len(boxes) * NEAR, 4))
        limits = torch.tensor([w, h, w, h])
        near = torch.minimum(torch.from_numpy(jittered).clamp(min=0), limits) * float(repeat)
        sample.proposals = InstanceData(bboxes=near, scores=torch.linspace(1, 0.5, len(near)))
    return sample


def _seg_sample(generator: np.random.Generator, hw: tuple[int, int], repeat: int, kinds: Kinds, annotated: bool) -> Any:
    """Return a sample of mmseg; see :func:`made_up_batch`."""
    from mmseg.structures import SegDataSample

    def pixels(values: np.ndarray) -> PixelData:
        return PixelData(data=torch.from_numpy(repeated(values, repeat)))

    sample = SegDataSample()
    if not annotated:
        return sample
    coarse = generator.integers(0, 2, (1, -(-hw[0] // BLOCK), -(-hw[1] // BLOCK)))
    sample.gt_sem_seg = pixels(repeated(coarse, BLOCK)[:, : hw[0], : hw[1]].astype(np.int64))
    if kinds.edges:
        sample.gt_edge_map = pixels(generator.integers(0, 2, (1, *hw)))
    if kinds.depth:
        sample.gt_depth_map = pixels(generator.random((1, *hw), dtype=np.float32) * 9 + 1)
    return sample
