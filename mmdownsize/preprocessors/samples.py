"""What the samples of all packages share, under a resize: metainfo and pixel-wise annotations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mmengine.structures import PixelData

from mmdownsize.geometry import ResizeMap, resize_labels
from mmdownsize.refusal import Refusal


def map_metainfo(metainfo: dict[str, Any], resize_map: ResizeMap) -> dict[str, Any]:
    """Return the metainfo fields that a resize changes. With them mmdet and mmseg go back to the original image.

    Args:
        metainfo: A data sample's metainfo, which is left as it is.
        resize_map: The resize of its image.

    Returns:
        The changed fields: ``img_shape`` (h, w), a plain tuple since mmseg takes a ``torch.Size`` for slide mode;
        ``scale_factor`` (w, h), the old one, or (1, 1) where there was none, times target / source; ``border`` (top,
        bottom, left, right) and ``homography_matrix`` where present.

    Raises:
        ValueError: If a field is not what mmdet and mmseg write: names it.
    """
    sx, sy = resize_map.scale_xy
    # A pipeline may deliver a padded image and say in img_shape how much of it is image.
    valid_hw = _numbers('img_shape', metainfo.get('img_shape', resize_map.src_hw), 2)
    h, w = (min(side, max(1, round(old * s))) for side, old, s in zip(resize_map.dst_hw, valid_hw, (sy, sx)))
    old_x, old_y = _numbers('scale_factor', metainfo.get('scale_factor', (1.0, 1.0)), 2)
    changed: dict[str, Any] = {'img_shape': (h, w), 'scale_factor': (float(old_x * sx), float(old_y * sy))}
    if 'border' in metainfo:
        # CenterNet subtracts it from the boxes before it divides them by scale_factor: it is in px of the small image.
        border = np.array(_numbers('border', metainfo['border'], 4, lowest=-math.inf), dtype=np.float32)
        changed['border'] = border * np.array([sy, sy, sx, sx], dtype=np.float32)
    if 'homography_matrix' in metainfo:
        matrix = np.array(resize_map.homography(), dtype=np.float32)
        given = metainfo['homography_matrix']
        if np.shape(given) != (3, 3):
            raise Refusal(f"a sample's homography_matrix must be 3 x 3, got {given!r}: leave it out")
        changed['homography_matrix'] = matrix @ np.asarray(given, dtype=np.float32)
    return changed


def _numbers(name: str, value: Any, count: int, lowest: float = 0.0) -> tuple[float, ...]:
    """Return the first numbers of a field; more may follow, as the channels of a shape do."""
    try:
        numbers = tuple(value)[:count]
        right = len(numbers) == count and all(lowest < number < math.inf for number in numbers)
    except TypeError:  # no sequence, or not of numbers
        right = False
    if not right:
        above = ' above 0' if lowest == 0 else ''
        raise Refusal(
            f"a sample's {name} must be {count} finite numbers{above}, got {value!r}: leave it out, or have the pipeline set it"
        )
    return numbers


def resize_pixel_data(pixel_data: PixelData, resize_map: ResizeMap) -> PixelData:
    """Return the label maps of a ``PixelData`` at the image's new size, by nearest neighbour.

    It is a new one, because a ``PixelData`` does not accept a change of size.

    Raises:
        ValueError: If a map does not have its image's size.
    """
    return PixelData(
        metainfo=dict(pixel_data.metainfo_items()),
        **{name: resize_labels(labels, resize_map) for name, labels in pixel_data.items()},
    )
