"""Pixel-wise annotations under a resize."""

from __future__ import annotations

from mmengine.structures import PixelData

from mmdownsize.geometry import ResizeMap, resize_labels


def resize_pixel_data(pixel_data: PixelData, resize_map: ResizeMap) -> PixelData:
    """Return the label maps of a ``PixelData`` at the image's new size, by nearest neighbour.

    A new one, because a ``PixelData`` refuses a change of size.

    Raises:
        ValueError: If a map does not have its image's size.
    """
    return PixelData(
        metainfo=dict(pixel_data.metainfo_items()),
        **{name: resize_labels(labels, resize_map) for name, labels in pixel_data.items()},
    )
