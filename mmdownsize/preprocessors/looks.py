"""Whether a field that nobody knows looks like pixels: by the words of its name, or by what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from mmengine.structures import PixelData
from torch import Tensor

# Words of names whose values are lengths, places or sizes.
OF_PIXELS = re.compile(
    r'anchors?|areas?|bbox(es)?|borders?|box(es)?|cam2img|cent(er|re)s?|centroids?|circles?|contours?|coord(inate)?s?|corners?|'
    r'crop|curves?|diameters?|displacement|ellipses?|flow|heatmaps?|heights?|homography|hw|intrinsics?|joints?|keypoints?|kpts?|'
    r'landmarks?|lanes?|lines?|locations?|maps?|margin|masks?|offsets?|origin|pad(ding)?|pixels?|points?|poly(gons?|lines?)?|'
    r'positions?|px|quads?|radi(i|us)|rects?|rois?|scales?|segment(s|ation)?|sizes?|shapes?|skeletons?|translation|vert(ex|ices)|'
    r'warp|wh|widths?|window|xy|xywh|xyxy'
)
# The last word of a name that is about a thing in pixels and is none itself: bbox_labels, keypoints_visible, seg_map_path.
OF_NO_PIXELS = re.compile(
    r'angles?|backend|cfg|class(es)?|colou?rs?|confidence|counts?|divisor|fields?|flags?|format|ids?|idx|index|indices|ignore|info|'
    r'keys?|labels?|mode|names?|order|paths?|probs?|ratios?|scores?|sigmas|texts?|types?|valid|visib(le|ility)|weights?'
)
# The first word: ori_shape and the like are in another frame, which a resize does not touch; num_keypoints is a count.
ELSEWHERE = re.compile(r'has|is|num|n|ori|original|use|with')
# In mmpose these two are in px of the original image; the maps of mmdet's grounding detectors are from tokens to classes.
NONE_ANYWAY = frozenset(['input_center', 'input_scale', 'positive_maps', 'max_positive_maps'])


@cache
def _named_like_pixels(name: str) -> bool:
    words = name.lower().split('_')
    if name in NONE_ANYWAY or ELSEWHERE.fullmatch(words[0]) or OF_NO_PIXELS.fullmatch(words[-1]):
        return False
    return any(OF_PIXELS.fullmatch(word) for word in words)


def looks_like_pixels(name: str, value: Any, src_hw: tuple[int, int]) -> bool:
    """Return whether a field may hold places, sizes or maps in px of the image.

    Args:
        name: Its name.
        value: What it holds.
        src_hw: Size (h, w) of the image in px.
    """
    if value is None or isinstance(value, str | bytes | bool | Mapping):
        return False
    if _named_like_pixels(name):
        return True
    if isinstance(value, PixelData) or hasattr(value, 'rescale_') or hasattr(value, 'rescale'):
        return True
    if not isinstance(value, Tensor | np.ndarray) or value.ndim < 2 or name in NONE_ANYWAY:
        return False
    if src_hw in (tuple(value.shape[-2:]), tuple(value.shape[:2])):
        return True
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    if array.shape[-1] not in (2, 4) or array.dtype.kind not in 'iuf' or not array.size:
        return False
    # Points or boxes: some beyond a single px, none far outside the image. Shares and angles are below 2, embeddings around 0.
    return bool(2 < array.max() <= 2 * max(src_hw) and array.min() >= -max(src_hw))
