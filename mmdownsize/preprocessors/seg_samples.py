"""Samples of mmseg under a resize."""

from __future__ import annotations

from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmdownsize.geometry import ResizeMap
from mmdownsize.preprocessors.metainfo import map_metainfo
from mmdownsize.preprocessors.pixel_data import resize_pixel_data


def map_seg_sample(sample: SegDataSample, resize_map: ResizeMap, training: bool) -> SegDataSample:
    """Return a sample whose every field fits the downsized image.

    Args:
        sample: Sample of the image before downsizing, which is left as it is.
        resize_map: The resize of its image.
        training: Whether to map the annotations (``gt_sem_seg``, ``gt_edge_map``, ``gt_depth_map``). Otherwise only the metainfo
            is: metrics read annotations in original px.

    Returns:
        A new sample. A ``pad_shape`` of the pipeline is dropped: mmseg would resize its logits to it.

    Raises:
        ValueError: If a label map does not have the image's size.
    """
    mapped = sample.new()
    mapped.set_metainfo(map_metainfo(sample.metainfo, resize_map))
    if 'pad_shape' in mapped.metainfo_keys():
        del mapped.pad_shape
    if training:
        for name, value in sample.items():
            if isinstance(value, PixelData) and name.startswith('gt_'):
                setattr(mapped, name, resize_pixel_data(value, resize_map))
    return mapped


def prediction_samples(maps: list[ResizeMap]) -> list[SegDataSample]:
    """Return samples for images that came without: they send predictions back to each image's size before downsizing."""
    metas = (dict(map_metainfo({}, resize_map), ori_shape=resize_map.src_hw) for resize_map in maps)
    return [SegDataSample(metainfo=meta) for meta in metas]
