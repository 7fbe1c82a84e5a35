"""Made-up images with annotations, as the pipelines of mmdet and mmsegmentation deliver them."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import PixelData

from mmdownsize.refusal import Refusal


def made_up_batch(
    scope: str, src_hw: tuple[int, int], *, images: int = 2, channels: int = 3, annotated: bool = True
) -> dict[str, Any]:
    """Return a batch of random images, the same in every call.

    Args:
        scope: ``'mmdet'`` or ``'mmseg'``: whose data samples.
        src_hw: Size (h, w) of the images in px.
        images: How many.
        channels: Of each image.
        annotated: Whether there are boxes, masks and label maps of two classes, for a loss.

    Returns:
        ``inputs``, a list of uint8 images (C, H, W), and ``data_samples``.

    Raises:
        Refusal: If the scope is another.
    """
    torch.manual_seed(0)
    h, w = src_hw
    meta = dict(img_id=0, img_path='', ori_shape=src_hw, img_shape=src_hw, scale_factor=(1.0, 1.0))
    inputs = [torch.randint(0, 256, (channels, h, w), dtype=torch.uint8) for _ in range(images)]
    samples: list[Any]
    if scope == 'mmdet':
        from mmdet.structures import DetDataSample
        from mmdet.testing import demo_mm_inputs

        if annotated:
            shapes = [(channels, h, w)] * images
            made = demo_mm_inputs(images, shapes, with_mask=True, with_semantic=True, num_classes=2, use_box_type=True)
            inputs, samples = made['inputs'], made['data_samples']
        else:
            samples = [DetDataSample() for _ in range(images)]
    elif scope == 'mmseg':
        from mmseg.structures import SegDataSample

        samples = [SegDataSample() for _ in range(images)]
        for sample in samples if annotated else ():
            sample.gt_sem_seg = PixelData(data=torch.randint(0, 2, (1, h, w)))
    else:
        raise Refusal(f"default_scope must be 'mmdet' or 'mmseg', got {scope!r}")
    for sample in samples:
        sample.set_metainfo(meta)
    return dict(inputs=inputs, data_samples=samples)
