"""What a resize does to everything that is not the image: sizes, boxes, points and label maps. Needs torch and nothing else."""

from mmdownsize.geometry.boxes import scale_boxes, scale_points
from mmdownsize.geometry.masks import resize_labels
from mmdownsize.geometry.resize_map import ResizeMap
from mmdownsize.geometry.size import TargetSize, whole_hw

__all__ = ['ResizeMap', 'TargetSize', 'resize_labels', 'scale_boxes', 'scale_points', 'whole_hw']
