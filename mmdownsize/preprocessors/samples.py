"""What the samples of all packages share, under a resize: metainfo and pixel-wise annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from mmengine.structures import PixelData

from mmdownsize.geometry import ResizeMap, resize_labels
from mmdownsize.refusal import Refusal

STALE = {'pad_shape', 'batch_input_shape'}
"""Metainfo of the pipeline that no longer holds, and that preprocessors set anew where models need it."""

KNOWN_METAINFO = STALE | {
    'img_shape',
    'scale_factor',
    'border',
    'pad_param',
    'padding_size',
    'img_padding_size',
    'input_size',
    'homography_matrix',
    'warp_mat',
}
"""What :func:`map_metainfo` maps, and what is stale."""


def map_metainfo(metainfo: Mapping[str, Any], resize_map: ResizeMap) -> dict[str, Any]:
    """Return the metainfo fields that a resize changes. With them models go back to the original image.

    Args:
        metainfo: A data sample's metainfo, which is left as it is.
        resize_map: The resize of its image.

    Returns:
        The changed fields. Always ``img_shape`` (h, w), a plain tuple since mmseg takes a ``torch.Size`` for slide mode, and
        ``scale_factor`` (w, h), the old one, or (1, 1) where there was none, times target / source. Where present ``border``
        and mmyolo's ``pad_param`` (top, bottom, left, right), mmseg's ``padding_size`` and ``img_padding_size`` (left, right,
        top, bottom) in whole px, mmpose's ``input_size`` (w, h), ``homography_matrix`` and mmpose's ``warp_mat``.

    Raises:
        ValueError: If a field is not what OpenMMLab's projects write: names it.
    """
    sx, sy = resize_map.scale_xy
    # A pipeline may deliver a padded image and say in img_shape how much of it is image.
    valid_hw = _numbers('img_shape', metainfo.get('img_shape', resize_map.src_hw), 2)
    h, w = (min(side, max(1, round(old * s))) for side, old, s in zip(resize_map.dst_hw, valid_hw, (sy, sx)))
    old_x, old_y = _scale_factor(metainfo.get('scale_factor', (1.0, 1.0)))
    changed: dict[str, Any] = {'img_shape': (h, w), 'scale_factor': (float(old_x * sx), float(old_y * sy))}
    for name in ('border', 'pad_param'):
        # CenterNet and mmyolo subtract it from the boxes before they divide them by scale_factor: it is in px of the small image.
        if metainfo.get(name) is not None:
            edges = np.array(_numbers(name, metainfo[name], 4, lowest=-math.inf), dtype=np.float32)
            changed[name] = edges * np.array([sy, sy, sx, sx], dtype=np.float32)
    for name in ('padding_size', 'img_padding_size'):  # mmseg cuts it off the logits
        if metainfo.get(name) is not None:
            left, right, top, bottom = _numbers(name, metainfo[name], 4, lowest=-1)
            (src_h, src_w), (dst_h, dst_w) = resize_map.src_hw, resize_map.dst_hw
            ends = dst_w - round((src_w - right) * sx), dst_h - round((src_h - bottom) * sy)
            changed[name] = (round(left * sx), ends[0], round(top * sy), ends[1])
    if metainfo.get('input_size') is not None:
        width, height = _numbers('input_size', metainfo['input_size'], 2)
        changed['input_size'] = (max(1, round(width * sx)), max(1, round(height * sy)))
    for name, shapes in (('homography_matrix', [(3, 3)]), ('warp_mat', [(2, 3), (3, 3)])):
        if name in metainfo:
            given = metainfo[name]
            if np.shape(given) not in shapes:
                wanted = ' or '.join(f'{rows} x {columns}' for rows, columns in shapes)
                raise Refusal(f"a sample's {name} must be {wanted}, got {given!r}: leave it out")
            rows = len(given)
            matrix = np.array(resize_map.homography(), dtype=np.float32)[:rows, :rows]
            changed[name] = matrix @ np.asarray(given, dtype=np.float32)
    return changed


def _scale_factor(value: Any) -> tuple[float, float]:
    """Return (w, h) of a scale factor in any form that OpenMMLab's projects have had: a number, (w, h) or (w, h, w, h)."""
    if isinstance(value, Real) and not isinstance(value, bool):
        value = (value, value)
    count = 4 if np.shape(value) == (4,) else 2
    numbers = _numbers('scale_factor', value, count)
    if numbers[:2] != numbers[-2:] or np.shape(value) not in ((2,), (4,)):
        raise Refusal(f"a sample's scale_factor must be a number, (w, h) or (w, h, w, h), got {value!r}: leave it out")
    return float(numbers[0]), float(numbers[1])


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
    return tuple(float(number) for number in numbers)


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
