"""What is moved against slow loops, what the metrics of mmdet and mmseg make of it, and what is refused."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.structures import InstanceData, PixelData

from mmdownsize.evaluation.shifted import ShiftedDataset

mmdet_structures = pytest.importorskip('mmdet.structures')
mmdet_boxes = pytest.importorskip('mmdet.structures.bbox')
mmseg_structures = pytest.importorskip('mmseg.structures')


class Packed:
    """A data set as those of OpenMMLab are behind their pipelines."""

    def __init__(self, samples, test_mode=True):
        self.samples, self.test_mode, self.loaded = samples, test_mode, 0
        self.metainfo = dict(classes=('a', 'b'))

    def full_init(self):
        self.loaded += 1

    def get_data_info(self, idx):
        return dict(number=idx)

    def get_subset_(self, indices):
        self.samples = self.samples[:indices]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        return self.samples[idx]


class Several:
    """Some of them in one, as mmengine's ConcatDataset: it has no test_mode of its own."""

    def __init__(self, datasets):
        self.datasets, self.metainfo = datasets, dict(classes=('a', 'b'))

    def full_init(self):
        pass

    def __len__(self):
        return 1

    def __getitem__(self, idx):
        return det_sample(BOXES[:1])


def seg_sample(image, labels, **meta):
    sample = mmseg_structures.SegDataSample(metainfo=dict(ori_shape=labels.shape, img_shape=image.shape[1:], **meta))
    sample.gt_sem_seg = PixelData(data=labels[None])
    return dict(inputs=image, data_samples=sample)


def det_sample(boxes, hw=(30, 60), ori_hw=(60, 90), labels=None, **meta):
    sample = mmdet_structures.DetDataSample(metainfo=dict(ori_shape=ori_hw, img_shape=hw, img_id=4, **meta))
    labels = torch.arange(len(boxes)) if labels is None else labels
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    sample.ignored_instances = InstanceData(bboxes=boxes[:1], labels=labels[:1])
    return dict(inputs=torch.zeros(3, *hw, dtype=torch.uint8), data_samples=sample)


def moved_slowly(array, down, right, fill=None):
    height, width = array.shape
    out = np.empty_like(array)
    for i, j in np.ndindex(height, width):
        y, x = i - down, j - right
        inside = 0 <= y < height and 0 <= x < width
        nearest = array[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
        out[i, j] = nearest if inside or fill is None else fill
    return out


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_image_and_labels_move_as_in_a_loop(data):
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    shift = data.draw(st.tuples(st.integers(1 - height, height - 1), st.integers(1 - width, width - 1)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    image, labels = rng.integers(0, 256, (3, height, width), np.uint8), rng.integers(0, 5, (height, width))
    base = Packed([seg_sample(torch.from_numpy(image), torch.from_numpy(labels))])
    found = ShiftedDataset(base, [shift], ignore_index=9)[0]
    assert found['inputs'].dtype == torch.uint8
    for channel, moved in zip(image, found['inputs'].numpy()):
        np.testing.assert_array_equal(moved, moved_slowly(channel, *shift))
    np.testing.assert_array_equal(found['data_samples'].gt_sem_seg.data[0].numpy(), moved_slowly(labels, *shift, 9))
    np.testing.assert_array_equal(base[0]['data_samples'].gt_sem_seg.data[0].numpy(), labels)  # as it was


def test_labels_of_another_size_move_by_their_own_pixels():
    labels = torch.arange(10 * 12).view(10, 12)
    found = ShiftedDataset(Packed([seg_sample(torch.zeros(3, 5, 9), labels)]), [(-2, 1)])[0]  # 4 up, 1.33 to the right
    expected = moved_slowly(labels.numpy(), -4, 1, 255)
    np.testing.assert_array_equal(found['data_samples'].gt_sem_seg.data[0].numpy(), expected)


BOXES = torch.tensor([[9.0, 12.0, 30.0, 40.0], [0.0, 0.0, 3.0, 60.0], [60.0, 0.0, 90.0, 2.0]])


@pytest.mark.parametrize('wrapped', [False, True])
def test_boxes_move_in_the_coordinates_that_they_are_in(wrapped):
    boxes = mmdet_boxes.HorizontalBoxes(BOXES) if wrapped else BOXES
    # In the file's coordinates 2 up, 6 to the left.
    found = ShiftedDataset(Packed([det_sample(boxes)]), [(-1, -4)])[0]['data_samples']
    expected = torch.tensor([[3.0, 10.0, 24.0, 38.0]])  # of the others nothing remains
    kept = found.gt_instances.bboxes.tensor if wrapped else found.gt_instances.bboxes
    assert torch.equal(kept, expected) and type(found.gt_instances.bboxes) is type(boxes)
    assert found.gt_instances.labels.tolist() == [0]
    assert len(found.ignored_instances) == 1
    found = ShiftedDataset(Packed([det_sample(BOXES)], test_mode=False), [(5, 4)])[0]['data_samples']  # of 30 x 60
    assert found.gt_instances.bboxes.tolist() == [[13, 17, 34, 30], [4, 5, 7, 30]]  # the third begins at the right side
    assert found.gt_instances.labels.tolist() == [0, 1]


def test_the_coordinates_are_those_of_the_data_sets_within():
    inner = Packed([det_sample(BOXES[:1])])
    outer = Several([inner, inner])
    expected = ShiftedDataset(inner, [(-1, -4)])[0]['data_samples'].gt_instances.bboxes
    assert torch.equal(ShiftedDataset(outer, [(-1, -4)])[0]['data_samples'].gt_instances.bboxes, expected)
    for datasets in ([inner, Packed([], test_mode=False)], []):
        with pytest.raises(ValueError, match='Several does not say'):
            ShiftedDataset(Several(datasets), [(-1, -4)])[0]


def test_samples_come_shift_by_shift_and_the_first_as_they_are():
    images = [torch.full((3, 4, 4), i, dtype=torch.uint8) for i in range(3)]
    base = Packed([seg_sample(image, torch.full((4, 4), i), img_path=str(i)) for i, image in enumerate(images)])
    found = ShiftedDataset(base, [[0, 0], (1, -1)])
    assert base.loaded == 1 and ShiftedDataset(base, [(0, 0)], lazy_init=True) and base.loaded == 1
    assert len(found) == 6 and found.metainfo == base.metainfo and found.get_data_info(5) == dict(number=2)
    assert [found[i]['data_samples'].img_path for i in range(6)] == ['0', '1', '2'] * 2
    for i in range(3):
        assert torch.equal(found[i]['inputs'], images[i])
        assert torch.equal(found[i]['data_samples'].gt_sem_seg.data, base[i]['data_samples'].gt_sem_seg.data)


def test_it_can_have_a_few_of_the_other_images_only():
    found = ShiftedDataset(Packed([det_sample(BOXES)] * 3), [(0, 0), (1, 1)], indices=2)
    assert len(found) == 4


def test_one_may_stand_around_another():
    inner = ShiftedDataset(Packed([det_sample(BOXES)] * 3), [(1, -2)])
    found = ShiftedDataset(inner, [(0, 0), (3, -1)], indices=2)
    assert (len(inner), len(found)) == (2, 4)
    together = ShiftedDataset(Packed([det_sample(BOXES)]), [(4, -3)])[0]
    assert torch.equal(found[2]['inputs'], together['inputs'])
    boxes, moved = (one['data_samples'].gt_instances.bboxes for one in (found[2], together))
    assert torch.equal(getattr(boxes, 'tensor', boxes), getattr(moved, 'tensor', moved))


def test_a_config_builds_it_around_a_data_set_of_any_registry():
    MMENGINE_DATASETS.register_module(name='PackedForTests', module=Packed, force=True)
    base = dict(type='PackedForTests', samples=[det_sample(BOXES)])
    found = MMENGINE_DATASETS.build(dict(type='mmdownsize.ShiftedDataset', dataset=base, shifts=[(0, 0), (0, 3)]))
    assert isinstance(found, ShiftedDataset) and len(found) == 2


def test_a_perfect_detector_is_perfect_in_every_position_and_one_that_stands_still_is_not():
    metrics = pytest.importorskip('mmdet.evaluation')
    boxes = torch.tensor([[9.0, 12.0, 30.0, 30.0], [40.0, 30.0, 80.0, 55.0]])
    dataset = ShiftedDataset(Packed([det_sample(boxes, labels=torch.tensor([0, 1]))]), [(0, 0), (4, -2)])
    for still, expected in ((False, 1.0), (True, 0.5)):
        metric = metrics.VOCMetric(metric='mAP', eval_mode='area', iou_thrs=0.8)
        metric.dataset_meta = dict(classes=('a', 'b'), dataset_type='VOC')
        for i in range(len(dataset)):
            sample = dataset[i]['data_samples']
            source = dataset[0]['data_samples'].gt_instances if still else sample.gt_instances
            sample.pred_instances = InstanceData(
                bboxes=source.bboxes, labels=source.labels, scores=torch.tensor([0.9, 0.8])
            )
            metric.process({}, [sample.to_dict()])
        assert metric.evaluate(len(dataset))['pascal_voc/mAP'] == pytest.approx(expected)


@pytest.mark.parametrize('shifts', [[], [(1,)], [(1.0, 2)], [3], [(True, 1)], [(1, 2, 3)]])
def test_what_are_no_pairs_of_integers_is_refused(shifts):
    with pytest.raises(ValueError, match=r'shifts must be pairs \(down, right\) of integers'):
        ShiftedDataset(Packed([]), shifts)


def test_what_cannot_be_moved_is_refused_by_name():
    with pytest.raises(ValueError, match=r'shifts must differ, got \[\(1, 2\), \(1, 2\)\]'):
        ShiftedDataset(Packed([]), [(1, 2), (1, 2)])
    with pytest.raises(TypeError, match='dataset must be a data set of OpenMMLab or its config, got list'):
        ShiftedDataset([1], [(0, 0)])
    sample = det_sample(BOXES)
    with pytest.raises(ValueError, match=r'shift \(0, 60\) leaves nothing of an image of 30x60'):
        ShiftedDataset(Packed([sample]), [(0, 60)])[0]
    with pytest.raises(ValueError, match='got list as inputs'):
        ShiftedDataset(Packed([dict(sample, inputs=[])]), [(0, 0)])[0]
    with pytest.raises(ValueError, match='how instances would move'):  # CocoMetric reads them if it has no file
        ShiftedDataset(Packed([det_sample(BOXES, instances=[])]), [(0, 0)])[0]
    sample['data_samples'].gt_instances.masks = torch.zeros(3, 60, 90)
    with pytest.raises(ValueError, match=r'how gt_instances\.masks would move'):
        ShiftedDataset(Packed([sample]), [(0, 0)])[0]
    with pytest.raises(ValueError, match='5 numbers a box'):
        ShiftedDataset(Packed([det_sample(torch.zeros(1, 5))]), [(0, 0)])[0]


def test_a_metric_with_a_file_of_its_own_does_not_find_the_moved_images(tmp_path):
    metrics = pytest.importorskip('mmdet.evaluation')
    boxes = [dict(id=1, image_id=4, category_id=1, bbox=[9, 12, 21, 28], area=588, iscrowd=0)]
    images = [dict(id=number, file_name='a.png', height=60, width=90) for number in (0, 1, 2, 4)]  # 4 is det_sample's
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps(dict(info={}, images=images, annotations=boxes, categories=[dict(id=1, name='a')])))
    sample = ShiftedDataset(Packed([det_sample(BOXES)]), [(0, 0), (1, 1)])[1]['data_samples']
    sample.pred_instances = InstanceData(bboxes=BOXES[:1], labels=torch.tensor([0]), scores=torch.tensor([0.9]))
    metric = metrics.CocoMetric(ann_file=str(path))
    metric.dataset_meta = dict(classes=('a',))
    metric.process({}, [sample.to_dict()])
    with pytest.raises(AssertionError, match='Results do not correspond to current coco set'):
        metric.evaluate(1)
