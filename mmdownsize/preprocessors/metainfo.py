"""Metainfo under a resize: what mmdet and mmseg read to go back to the original image."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmdownsize.geometry import ResizeMap


def map_metainfo(metainfo: dict[str, Any], resize_map: ResizeMap) -> dict[str, Any]:
    """Return the metainfo fields that a resize changes.

    Args:
        metainfo: A data sample's metainfo, which is left as it is.
        resize_map: The resize of its image.

    Returns:
        The changed fields: ``img_shape`` (h, w), a plain tuple since mmseg takes a ``torch.Size`` for slide mode;
        ``scale_factor`` (w, h), the old one, or (1, 1) where there was none, times target / source; ``border`` (top,
        bottom, left, right) and ``homography_matrix`` where present.
    """
    sx, sy = resize_map.scale_xy
    # A pipeline may deliver a padded image and say in img_shape how much of it is image.
    valid_hw = metainfo.get('img_shape', resize_map.src_hw)[:2]
    h, w = (min(side, max(1, round(old * s))) for side, old, s in zip(resize_map.dst_hw, valid_hw, (sy, sx)))
    old_x, old_y = metainfo.get('scale_factor', (1.0, 1.0))[:2]
    changed: dict[str, Any] = {'img_shape': (h, w), 'scale_factor': (float(old_x * sx), float(old_y * sy))}
    if 'border' in metainfo:
        # CenterNet subtracts it from the boxes before it divides them by scale_factor, which therefore must be there
        # too.
        changed['border'] = np.asarray(metainfo['border'], dtype=np.float32) * np.array(
            [sy, sy, sx, sx], dtype=np.float32
        )
    if 'homography_matrix' in metainfo:
        matrix = np.array(resize_map.homography(), dtype=np.float32)
        changed['homography_matrix'] = matrix @ np.asarray(metainfo['homography_matrix'], dtype=np.float32)
    return changed
