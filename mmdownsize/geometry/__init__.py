"""What a resize does to everything but the image: sizes, boxes, points and label maps. Needs torch only."""

from mmdownsize.geometry.boxes import scale_boxes, scale_points
from mmdownsize.geometry.masks import resize_labels
from mmdownsize.geometry.resize_map import ResizeMap
from mmdownsize.geometry.size import TargetSize, whole_hw

__all__ = ['ResizeMap', 'TargetSize', 'resize_labels', 'scale_boxes', 'scale_points', 'whole_hw']
