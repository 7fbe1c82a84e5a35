"""Images with objects, and with labels painted on them, as the pipelines deliver them."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData

# Two sizes; boxes with edges at whole numbers, even across, and sides below 60 px.
OBJECTS = {
    (96, 128): [[8, 12, 52, 40], [70, 30, 120, 86], [4, 60, 36, 92]],
    (128, 84): [[10, 6, 40, 61], [30, 70, 78, 120]],
}


def detection_batch(scale_xy=(1.0, 1.0), *, with_proposals=False):
    """Two images of different sizes; ``scale_xy`` is the resize that the pipeline has done before. Proposals are the objects."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks

    inputs, samples = [], []
    for (h, w), boxes in OBJECTS.items():
        inputs.append(torch.randint(0, 256, (3, h, w), dtype=torch.uint8))
        seen = torch.tensor(boxes, dtype=torch.float32)
        masks = np.zeros((len(boxes), h, w), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes):
            mask[y1:y2, x1:x2] = 1
        ori_shape = round(h / scale_xy[1]), round(w / scale_xy[0])
        border = np.array([0, h, 0, w], np.float32)
        meta = dict(img_id=len(samples), img_shape=(h, w), ori_shape=ori_shape, scale_factor=scale_xy, border=border)
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(seen), labels=torch.arange(len(boxes)), masks=BitmapMasks(masks, h, w)
        )
        sample.ignored_instances = InstanceData(bboxes=HorizontalBoxes(torch.zeros(0, 4)), labels=torch.zeros(0).long())
        if with_proposals:
            sample.proposals = InstanceData(bboxes=seen.clone(), scores=torch.ones(len(boxes)))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def original_boxes(sample):
    """The boxes of a given sample in the frame of the original image."""
    factor = torch.tensor(sample.scale_factor, dtype=torch.float32).repeat(2)
    return sample.gt_instances.bboxes.tensor / factor


def label_map(hw, classes, block=2):
    """(1, h, w) labels, constant on blocks of ``block`` x ``block`` px."""
    coarse = torch.randint(0, classes, (1, hw[0] // block, hw[1] // block))
    return coarse.repeat_interleave(block, 1).repeat_interleave(block, 2)


def segmentation_batch(sizes=((64, 96), (48, 96)), *, classes=3, noise=20):
    """Images that show their label: a pixel's colour is 60 times its label, plus noise from 0 to below ``noise``."""
    from mmseg.structures import SegDataSample

    inputs, samples = [], []
    for hw in sizes:
        labels = label_map(hw, classes)
        inputs.append((60 * labels + torch.randint(0, max(noise, 1), (3, *hw))).to(torch.uint8))
        meta = dict(img_path=f'{len(samples)}.png', ori_shape=hw, img_shape=hw, scale_factor=(1.0, 1.0))
        sample = SegDataSample(metainfo=meta)
        sample.gt_sem_seg = PixelData(data=labels.clone())
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
