"""A data set seen from several positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmdownsize.ops.shift import read_shifted
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.registry import DATASETS

MOVED = {'gt_sem_seg', 'gt_instances', 'ignored_instances'}
MOVED_OF_INSTANCES = {'bboxes', 'labels'}


@DATASETS.register_module()
class ShiftedDataset:
    """Every sample of another data set once for each shift, with image and labels moved by it.

    A network with strides, and a resize to a third, see an image differently when its content moves by a few pixels: the mIoU of
    a finished model changes by some tenths of a point, which is as much as resizers differ by. A validation set in several
    positions averages that. A training set in several positions keeps a downsizer from learning one of them by heart, and it
    stays finite, which a memory of predictions needs.

    It wraps data sets of mmdet and mmseg after their pipelines, as mmengine's ``RepeatDataset`` does::

        dict(type='mmdownsize.ShiftedDataset', dataset=dict(type='VOCDataset', ...), shifts=[(0, 0), (7, -3)])

    Samples 0 to N - 1 have the first shift, the next N the second, and so on. What leaves the image is lost. What enters repeats
    the image's edge and has the label ``ignore_index``. Boxes are cut at the image's sides, and left out if nothing remains.

    Label maps may have another size than the image (the file's): they move by the nearest number of their own pixels. Boxes
    move exactly. With ``test_mode`` they are in the file's coordinates, otherwise in the image's, as in mmdet. ``img_id`` becomes
    negative: a metric that reads labels from a file of its own does not find the image there, and says so.

    Args:
        dataset: The other data set, or its config. Its pipeline ends with packing: samples are dicts of ``inputs``, a tensor
            (C, H, W), and ``data_samples``.
        shifts: Pairs (down, right) of integers, in pixels of ``inputs``, each shorter than that side.
        ignore_index: The class label where nothing of the image is.
        indices: Use only these samples of the other data set, or its first so many, each in every position; as ``indices``
            of mmengine's ``BaseDataset``.
        lazy_init: Leave loading the other data set's annotations to :meth:`full_init`.

    Raises:
        TypeRefusal: If ``dataset`` is neither a data set nor a config.
        Refusal: If ``shifts`` is empty, not pairs of integers, or has a pair twice. When a sample is read: if it has labels of
            a kind that cannot be moved, such as instance masks, or a shift is too long for it.
    """

    def __init__(
        self,
        dataset: Any,
        shifts: Sequence[Sequence[int]],
        *,
        ignore_index: int = 255,
        indices: int | Sequence[int] | None = None,
        lazy_init: bool = False,
    ) -> None:
        pairs = [tuple(shift) if isinstance(shift, Sequence) else shift for shift in shifts]
        if not pairs or any(
            not isinstance(p, tuple) or len(p) != 2 or any(type(s) is not int for s in p) for p in pairs
        ):
            raise Refusal(f'shifts must be pairs (down, right) of integers, at least one, got {shifts!r}')
        if len(set(pairs)) < len(pairs):
            raise Refusal(f'shifts must differ, got {shifts!r}')
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        if not hasattr(self.dataset, '__getitem__') or not hasattr(self.dataset, 'metainfo'):
            raise TypeRefusal(f'dataset must be a data set of OpenMMLab or its config, got {type(dataset).__name__}')
        if indices is not None:
            self.get_subset_(indices)
        self.shifts = pairs
        self.ignore_index = ignore_index
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> Any:
        """The other data set's."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the other data set's annotations, unless they are loaded."""
        self.dataset.full_init()

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep only these samples of the other data set, or its first so many, each in every position."""
        self.dataset.get_subset_(indices)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what the other data set knows of sample ``idx``: it is not moved."""
        return self.dataset.get_data_info(idx % len(self.dataset))

    def __len__(self) -> int:
        """Return the number of samples times that of shifts."""
        return len(self.dataset) * len(self.shifts)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Return sample ``idx``, moved."""
        position, number = divmod(idx, len(self.dataset))
        sample = self.dataset[number]
        inputs, labels = sample['inputs'], sample['data_samples']
        if not isinstance(inputs, Tensor) or inputs.ndim != 3:
            raise Refusal(f'ShiftedDataset moves one image (C, H, W) a sample, got {type(inputs).__name__} as inputs')
        shift, hw = self.shifts[position], inputs.shape[1:]
        if any(abs(s) >= side for s, side in zip(shift, hw)):
            raise Refusal(f'shift {shift} leaves nothing of an image of {hw[0]}x{hw[1]} (height x width)')
        labels = self._moved_labels(labels, shift, hw)
        if 'img_id' in labels.metainfo_keys():
            labels.set_metainfo({'img_id': -1 - idx})  # which no file of annotations has
        return {**sample, 'inputs': _moved(inputs, shift), 'data_samples': labels}

    def _moved_labels(self, labels: Any, shift: tuple[int, int], hw: Sequence[int]) -> Any:
        # Without a file of annotations mmdet's CocoMetric reads `instances`, which would stay where they were.
        unknown = sorted(set(labels.keys()) - MOVED | {'instances'} & set(labels.metainfo_keys()))
        labels = labels.clone()
        if 'gt_sem_seg' in labels:
            data = labels.gt_sem_seg.data
            own = [round(s * side / full) for s, side, full in zip(shift, data.shape[-2:], hw)]
            labels.gt_sem_seg = type(labels.gt_sem_seg)(data=_moved(data, own, self.ignore_index))
        for key in MOVED & set(labels.keys()) - {'gt_sem_seg'}:
            instances = labels.get(key)
            unknown += sorted(f'{key}.{name}' for name in set(instances.keys()) - MOVED_OF_INSTANCES)
            if 'bboxes' in instances:
                frame = labels.ori_shape[:2] if _in_test_mode(self.dataset) else hw
                labels.set_field(_moved_instances(instances, shift, hw, frame), key)
        if unknown:
            raise Refusal(
                f'ShiftedDataset does not know how {", ".join(unknown)} would move: it moves gt_sem_seg and bboxes; leave '
                'the others out of the pipeline'
            )
        return labels


def _in_test_mode(dataset: Any) -> bool:
    if hasattr(dataset, 'test_mode'):
        return bool(dataset.test_mode)
    inner = getattr(dataset, 'datasets', None) or [d for d in (getattr(dataset, 'dataset', None),) if d is not None]
    modes = {_in_test_mode(one) for one in inner}
    if len(modes) != 1:
        raise Refusal(
            'ShiftedDataset reads from test_mode whether boxes are in the coordinates of the file or of the image, and '
            f'{type(dataset).__name__} does not say: put a ShiftedDataset around each of its data sets'
        )
    return modes.pop()


def _moved(image: Tensor, shift: Sequence[int], fill: int | None = None) -> Tensor:
    """Move the content of (..., H, W) by ``shift`` (down, right); what enters repeats the edge, or is ``fill``."""
    return read_shifted(image, [-by for by in shift], fill)


def _moved_instances(instances: Any, shift: Sequence[int], hw: Sequence[int], frame: Sequence[int]) -> Any:
    boxes = instances.bboxes
    corners = boxes if isinstance(boxes, Tensor) else boxes.tensor  # mmdet's HorizontalBoxes
    if corners.shape[-1] != 4:
        raise Refusal(f'ShiftedDataset moves boxes (x1, y1, x2, y2), got {corners.shape[-1]} numbers a box')
    down, right = (s * side / full for s, side, full in zip(shift, frame, hw))
    moved = corners + corners.new_tensor([right, down, right, down])
    sides = corners.new_tensor([frame[1], frame[0], frame[1], frame[0]])
    moved = torch.minimum(moved.clamp(min=0), sides)
    seen = (moved[:, 2:] > moved[:, :2]).all(1)
    instances = instances.clone()
    instances.bboxes = moved if isinstance(boxes, Tensor) else type(boxes)(moved)
    return instances[seen]
