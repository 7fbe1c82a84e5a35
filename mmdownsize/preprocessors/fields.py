"""How the fields of a sample follow its image: by their names. Fields that look like pixels and that nobody knows are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor

from mmdownsize.arguments import choice
from mmdownsize.geometry import ResizeMap, resize_labels, scale_boxes, scale_points
from mmdownsize.notices import warn
from mmdownsize.preprocessors.looks import looks_like_pixels
from mmdownsize.preprocessors.samples import KNOWN_METAINFO, STALE, map_metainfo, resize_pixel_data
from mmdownsize.refusal import Refusal, TypeRefusal

Rule = Callable[[str, Any, ResizeMap], Any]  # name, value, resize -> the value for the downsized image


def _on_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return what ``change`` makes of a tensor, or of an array of numpy, which gives one."""
    return change(torch.from_numpy(value)).numpy() if isinstance(value, np.ndarray) else change(value)


def _rescaled(value: Any, resize_map: ResizeMap) -> Any:
    """Return an object that scales itself, as boxes of mmdet and keypoints of mmyolo do."""
    scaled = value.clone()
    scaled.rescale_(resize_map.scale_xy)
    return scaled


def _boxes(name: str, value: Any, resize_map: ResizeMap) -> Any:
    if hasattr(value, 'rescale_'):
        return _rescaled(value, resize_map)
    if not isinstance(value, Tensor):
        raise TypeRefusal(
            f'{name} must be a tensor or boxes of mmdet, got {type(value).__name__}: torch.from_numpy makes one'
        )
    return scale_boxes(value, resize_map)


def _points(name: str, value: Any, resize_map: ResizeMap) -> Any:
    if hasattr(value, 'rescale_'):
        return _rescaled(value, resize_map)
    array = value if isinstance(value, Tensor | np.ndarray) else _array(name, value)
    with_visibility = 'keypoint' in name and array.shape[-1:] == (3,)
    if array.shape[-1:] != (2,) and not with_visibility:
        raise Refusal(
            f'{name} must be (..., 2) as x, y, or (..., 3) keypoints as x, y, visibility; got {tuple(array.shape)}: reshape it'
        )

    def change(points: Tensor) -> Tensor:
        return torch.cat([scale_points(points[..., :2], resize_map), points[..., 2:]], -1)

    mapped = _on_tensors(array, change)
    return mapped if array is value else type(value)(mapped.tolist())


def _areas(name: str, value: Any, resize_map: ResizeMap) -> Any:
    scale_x, scale_y = resize_map.scale_xy
    if isinstance(value, Tensor | np.ndarray):
        return value * (scale_x * scale_y)
    return (_array(name, value) * (scale_x * scale_y)).tolist()


def _polygons(name: str, value: Any, resize_map: ResizeMap) -> Any:
    """Map polygons of any nesting: points (..., 2), or flat x, y, x, y, ..."""
    if isinstance(value, list | tuple) and not all(isinstance(part, int | float) for part in value):
        return type(value)(_polygons(name, part, resize_map) for part in value)
    array = value if isinstance(value, Tensor | np.ndarray) else _array(name, value)
    if array.ndim == 0 or array.shape[-1] % 2:
        raise Refusal(f'{name} must have x and y of every point, got shape {tuple(array.shape)}')

    def change(flat: Tensor) -> Tensor:
        return scale_points(flat.reshape(-1, 2), resize_map).reshape(flat.shape)

    mapped = _on_tensors(array, change)
    return mapped if array is value else type(value)(mapped.tolist())


def _maps(name: str, value: Any, resize_map: ResizeMap) -> Any:
    return _on_tensors(value, lambda maps: resize_labels(maps, resize_map))


def _same(name: str, value: Any, resize_map: ResizeMap) -> Any:
    return value


RULES: dict[str, Rule] = {
    'boxes': _boxes,
    'points': _points,
    'areas': _areas,
    'polygons': _polygons,
    'maps': _maps,
    'same': _same,
}
"""What a field may be: boxes (x1, y1, x2, y2), points or sizes (x, y), areas, polygons, maps of the image's size, or independent
of the size."""

# By the names that OpenMMLab's projects give them, a leading 'gt_' left out. mmdet: bboxes, masks; mmpose and mmyolo: keypoints;
# mmpose: transformed_keypoints, bbox_centers, bbox_scales, areas; mmocr: polygons; mmdet3d: centers_2d; points as weak labels.
KNOWN = {
    **dict.fromkeys(('bbox', 'bboxes'), 'boxes'),
    **dict.fromkeys(('mask', 'masks'), 'masks'),
    **dict.fromkeys(('keypoint', 'keypoints', 'transformed_keypoints', 'point', 'points'), 'points'),
    **dict.fromkeys(('centers_2d', 'bbox_centers', 'bbox_scales'), 'points'),
    **dict.fromkeys(('area', 'areas'), 'areas'),
    **dict.fromkeys(('polygon', 'polygons'), 'polygons'),
}


class Fields:
    """The rules by which the fields of samples follow their images.

    Args:
        rules: Names of further fields, and for each the name of its rule: see :data:`RULES`. They come before what is known.
        more: Extra rules, a dict from name to rule. For mmdet it has the rule for masks.

    Raises:
        ValueError: If ``rules`` is no mapping from names of fields to names of rules.
    """

    def __init__(self, rules: Mapping[str, str] | None = None, more: Mapping[str, Rule] | None = None) -> None:
        self._by_rule = {**RULES, **(more or {})}
        if rules is not None and not isinstance(rules, Mapping):
            raise Refusal(f"fields must be a dict such as dict(gaze='points'), got {rules!r}")
        for name, rule in (rules or {}).items():
            choice(f'rule of fields.{name}', rule, self._by_rule)
        self._rules = {**{name: rule for name, rule in KNOWN.items() if rule in self._by_rule}, **(rules or {})}
        self._told: set[str] = set()

    def follow(self, element: BaseDataElement, resize_map: ResizeMap, where: str = '') -> BaseDataElement:
        """Return a new element whose data fields, and those inside them, fit the downsized image.

        Predictions, whose names begin with ``pred_``, stay as they are.

        Args:
            element: A sample, or instances of it.
            resize_map: The resize of its image.
            where: What the names of its fields begin with in a message.

        Raises:
            TypeError: If a field has a wrong type.
            ValueError: If a field is not what its rule needs.
        """
        mapped = element.new()
        for name, value in element.items():
            setattr(mapped, name, self.value(f'{where}{name}', value, resize_map))
        return mapped

    def value(self, name: str, value: Any, resize_map: ResizeMap) -> Any:
        """Return one field for the downsized image; the name is that of its place, such as ``gt_instances.bboxes``."""
        own = name.rpartition('.')[2]
        rule = self._rules.get(own) or self._rules.get(own.removeprefix('gt_'))
        if own.startswith('pred_') or own in KNOWN_METAINFO:
            return value
        if isinstance(value, PixelData) and rule is None:
            if own.startswith('gt_') or value.shape == resize_map.src_hw:
                return resize_pixel_data(value, resize_map)
        elif isinstance(value, BaseDataElement) and rule is None:
            mapped = self.follow(value, resize_map, f'{name}.')
            self.set_metainfo(mapped, value, resize_map, present_only=True)
            return mapped
        if rule is not None:
            return self._by_rule[rule](own, value, resize_map)
        self._tell(name, own, value, resize_map)
        return value

    def set_metainfo(
        self, mapped: BaseDataElement, given: BaseDataElement, resize_map: ResizeMap, present_only: bool = False
    ) -> None:
        """Set the metainfo that a resize changes, and drop what the preprocessors set anew.

        mmpretrain may keep a part of it, such as ``scale_factor``, with the data. It is found there as well.

        Args:
            mapped: The sample to set it in, which has the fields of ``given``.
            given: The sample before downsizing.
            resize_map: The resize of its image.
            present_only: Do not add ``img_shape`` and ``scale_factor`` where they are missing.

        Raises:
            ValueError: If a field is not what OpenMMLab's projects write.
        """
        data, metainfo = set(given.keys()), set(given.metainfo_keys())
        changed = map_metainfo(
            dict(given.metainfo_items()) | {k: given.get(k) for k in KNOWN_METAINFO & data}, resize_map
        )
        for name, value in given.metainfo_items():
            if name in self._rules:
                changed[name] = self._by_rule[self._rules[name]](name, value, resize_map)
            elif name not in KNOWN_METAINFO:
                self._tell(name, name, value, resize_map)
        if present_only:
            changed = {name: value for name, value in changed.items() if name in data | metainfo}
        mapped.set_metainfo({name: value for name, value in changed.items() if name not in data})
        for name in changed.keys() & data:
            setattr(mapped, name, changed[name])
        for name in STALE & metainfo:  # mmseg would resize its logits to an old pad_shape
            delattr(mapped, name)

    def _tell(self, place: str, name: str, value: Any, resize_map: ResizeMap) -> None:
        if name in self._told or not looks_like_pixels(name, value, resize_map.src_hw):
            return
        self._told.add(name)
        warn(
            f'the field {place} of a sample looks like pixels, and nobody has said how it follows the image: it stays as for '
            f'{resize_map.src_hw} (h, w), while the image becomes {resize_map.dst_hw}. Say '
            f"fields=dict({name}='points') in the data preprocessor, or {', '.join(map(repr, self._by_rule))} in place of "
            "'points'; 'same' if it does not depend on the size"
        )


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeRefusal(f'{name} must be a tensor, an array or numbers, got {value!r}') from None
    return array
