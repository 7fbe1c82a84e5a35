"""Models that return their ground truth: through OpenMMLab's own rescaling it lands on the original image, exactly.

Detectors are given heads that answer with the boxes that the preprocessor mapped for training, in the network's frame; segmentors
read a pixel's label off its colour. What is under test is everything between: the metainfo of the test-time preprocessor, the
decoding, clamping, unpadding, rescaling and pasting of mmdet and mmseg.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData

from tests.integration.scenes import OBJECTS, detection_batch, original_boxes, segmentation_batch
from tests.integration.swapped_models import NUM_CLASSES, SEGMENTORS, initialised

# 0.37 leaves other scales than itself on every side; the last one is upsizing.
targets = pytest.mark.parametrize(
    'target',
    ['scale_factor=0.5', 'scale_factor=0.37', 'scale=(80, 50)', 'scale=(80, 50), keep_ratio=True', 'scale_factor=1.3'],
)
resized_by_the_pipeline = pytest.mark.parametrize(
    'scale_xy', [(1.0, 1.0), (2.0, 0.5)], ids=['as loaded', 'resized before']
)


def mapped_boxes(model, batch):
    """The ground truth in the network's frame, as training has it."""
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return [sample.gt_instances.bboxes for sample in data['data_samples']], data


def assert_original(predictions, batch, atol=1e-3):
    for prediction, given in zip(predictions, batch['data_samples']):
        found, wanted = prediction.pred_instances, original_boxes(given)
        best = found.scores > 0.9
        order = found.labels[best].argsort()
        assert found.labels[best][order].tolist() == given.gt_instances.labels.tolist()
        assert torch.allclose(found.bboxes[best][order], wanted, rtol=0, atol=atol)


def one_hot_scores(labels, background=True):
    return 20 * F.one_hot(labels, NUM_CLASSES + background).float()


@targets
@resized_by_the_pipeline
def test_boxes_of_detr(target, scale_xy, tmp_path):
    model = initialised('detr', tmp_path, target=target).eval()
    batch = detection_batch(scale_xy)
    boxes, data = mapped_boxes(model, batch)
    scores, normalised = torch.zeros(1, 2, 6, NUM_CLASSES + 1), torch.full((1, 2, 6, 4), 0.5)
    scores[..., NUM_CLASSES] = 20  # background
    for i, (network_boxes, sample) in enumerate(zip(boxes, data['data_samples'])):
        h, w = sample.img_shape
        x1, y1, x2, y2 = (network_boxes / torch.tensor([w, h, w, h])).unbind(1)
        normalised[0, i, : len(network_boxes)] = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
        scores[0, i, : len(network_boxes)] = one_hot_scores(torch.arange(len(network_boxes)))
    model.bbox_head.forward = lambda hidden_states: (scores, normalised)
    assert_original(model.test_step(batch), batch)


def two_stage_oracle(model, proposals):
    """Heads that say: the proposals are the objects, each of its own class, each filling its box."""
    if model.with_rpn:
        model.rpn_head.predict = lambda *args, **kwargs: [
            InstanceData(bboxes=boxes.clone(), scores=torch.ones(len(boxes)), labels=torch.zeros(len(boxes)).long())
            for boxes in proposals
        ]
    labels = torch.cat([torch.arange(len(boxes)) for boxes in proposals])
    model.roi_head.bbox_head.forward = lambda x: (one_hot_scores(labels), torch.zeros(len(labels), 4 * NUM_CLASSES))
    if model.roi_head.with_mask:
        model.roi_head.mask_head.forward = lambda x: torch.full((len(x), NUM_CLASSES, 28, 28), 20.0)


@targets
@resized_by_the_pipeline
def test_boxes_of_faster_rcnn(target, scale_xy, tmp_path):
    model = initialised('faster_rcnn', tmp_path, target=target).eval()
    batch = detection_batch(scale_xy)
    two_stage_oracle(model, mapped_boxes(model, batch)[0])
    assert_original(model.test_step(batch), batch)


@targets
@pytest.mark.parametrize('scale_xy', [(1.0, 1.0), (2.0, 1.0)], ids=['as loaded', 'resized before'])
def test_boxes_and_masks_of_mask_rcnn(target, scale_xy, tmp_path):
    model = initialised('mask_rcnn', tmp_path, target=target).eval()
    batch = detection_batch(scale_xy)
    two_stage_oracle(model, mapped_boxes(model, batch)[0])
    predictions = model.test_step(batch)
    assert_original(predictions, batch)
    for prediction, given in zip(predictions, batch['data_samples']):
        found = prediction.pred_instances
        wanted = torch.from_numpy(given.gt_instances.masks.masks).bool()[:, :, :: int(scale_xy[0])]
        assert wanted.shape[1:] == given.ori_shape
        assert torch.equal(found.masks[found.labels.argsort()], wanted)


@targets
@resized_by_the_pipeline
def test_boxes_of_fast_rcnn_come_from_the_proposals_of_the_pipeline(target, scale_xy, tmp_path):
    model = initialised('fast_rcnn', tmp_path, target=target).eval()
    batch = detection_batch(scale_xy, with_proposals=True)
    two_stage_oracle(model, [sample.proposals.bboxes for sample in batch['data_samples']])
    assert_original(model.test_step(batch), batch)


@pytest.mark.parametrize('factor', [0.5, 0.37, 0.9])
def test_boxes_of_centernet_through_its_own_test_pipeline(factor, tmp_path):
    from mmdet.datasets.transforms import PackDetInputs, RandomCenterCropPad

    model = initialised('centernet', tmp_path, target=f'scale_factor={factor}').eval()
    pad = RandomCenterCropPad(
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_mode=True,
        test_pad_mode=['logical_or', 31],
        test_pad_add_pix=1,
    )
    pack = PackDetInputs(meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'border'))
    for (h, w), objects in OBJECTS.items():
        boxes, labels = torch.tensor(objects, dtype=torch.float32), torch.arange(len(objects))
        image = torch.randint(0, 256, (h, w, 3)).float().numpy()
        packed = pack(pad(dict(img=image, img_id=0, img_path='', ori_shape=(h, w), img_shape=(h, w))))
        sample = packed['data_samples']
        assert 'scale_factor' not in sample
        top, _, left, _ = sample.border
        assert (top, left) != (0, 0)
        seen = copy.deepcopy(sample)
        seen.gt_instances = InstanceData(bboxes=boxes + torch.tensor([left, top, left, top]), labels=labels)
        trained = model.data_preprocessor(dict(inputs=[packed['inputs']], data_samples=[seen]), True)
        network_boxes, input_hw = trained['data_samples'][0].gt_instances.bboxes, trained['inputs'].shape[-2:]
        feature_shape = (1, NUM_CLASSES, input_hw[0] // 4, input_hw[1] // 4)
        maps, _ = model.bbox_head.get_targets([network_boxes], [labels], feature_shape, input_hw)
        answer = [maps['center_heatmap_target']], [maps['wh_target']], [maps['offset_target']]
        model.bbox_head.forward = lambda feats, answer=answer: answer
        found = model.test_step(dict(inputs=[packed['inputs']], data_samples=[sample]))[0].pred_instances
        peaks = found.scores == 1
        order = found.labels[peaks].argsort()
        assert found.labels[peaks][order].tolist() == labels.tolist()
        assert torch.allclose(found.bboxes[peaks][order], boxes, rtol=0, atol=1e-3)


def read_labels(images, preprocessor):
    """(n, classes, h, w), 1 for the class whose colour is nearest to the normalised image's and 0 for all others."""
    grey = (images * preprocessor.std + preprocessor.mean).mean(1)
    labels = (grey / 60).round().clamp(0, NUM_CLASSES - 1).long()
    return F.one_hot(labels, NUM_CLASSES).permute(0, 3, 1, 2).float()


def oracle_segmentor(name, tmp_path, **kwargs):
    """A segmentor whose network is: read the label off the colour. Its prediction code is untouched."""
    model = initialised(name, tmp_path, **kwargs).eval()
    model.extract_feat = lambda inputs: inputs
    if name == 'mask2former':  # one query a class, each with its class's mask
        classes = one_hot_scores(torch.arange(NUM_CLASSES))[None]
        model.decode_head.forward = lambda x, samples: (
            [classes.expand(len(x), -1, -1)],
            [20 * (2 * read_labels(x, model.data_preprocessor) - 1)],
        )
    else:
        model.decode_head.forward = lambda x: read_labels(x, model.data_preprocessor)
    return model


every_segmentor = pytest.mark.parametrize('name', SEGMENTORS)


@every_segmentor
@pytest.mark.parametrize('hw', [(64, 96), (44, 70)], ids=['padding size', 'smaller, odd when downsized'])
def test_label_maps_of_segmentors(name, hw, tmp_path):
    model = oracle_segmentor(name, tmp_path)
    batch = segmentation_batch([hw, hw], noise=0)
    for prediction, given in zip(model.test_step(batch), batch['data_samples']):
        assert prediction.pred_sem_seg.data.shape == (1, *hw)
        assert torch.equal(prediction.pred_sem_seg.data, given.gt_sem_seg.data)
        assert torch.equal(prediction.gt_sem_seg.data, given.gt_sem_seg.data)


@every_segmentor
def test_label_maps_without_samples_have_the_size_of_the_source(name, tmp_path):
    model = oracle_segmentor(name, tmp_path)
    batch = segmentation_batch([(44, 70)] * 2, noise=0)
    for prediction, given in zip(model.test_step(dict(inputs=batch['inputs'])), batch['data_samples']):
        assert torch.equal(prediction.pred_sem_seg.data, given.gt_sem_seg.data)


@every_segmentor
def test_label_maps_go_to_the_original_size_not_the_pipelines(name, tmp_path):
    # The pipeline upsizes 32 x 48 to 64 x 96, the downsizer goes back: the network's frame is the original one.
    model = oracle_segmentor(name, tmp_path)
    batch = segmentation_batch([(64, 96)], noise=0)
    sample = batch['data_samples'][0]
    sample.set_metainfo(dict(ori_shape=(32, 48), scale_factor=(2.0, 2.0), pad_shape=(64, 96)))
    prediction = model.test_step(batch)[0]
    assert torch.equal(prediction.pred_sem_seg.data, sample.gt_sem_seg.data[:, ::2, ::2])


# The other two pad or crop at test time and resize what comes of it.
@pytest.mark.parametrize('name', ['fcn', 'deeplabv3plus'])
def test_a_stale_pad_shape_does_not_move_label_maps(name, tmp_path):
    model = oracle_segmentor(name, tmp_path)
    batch = segmentation_batch([(64, 96)], noise=0)
    # The pipeline has halved the image. Were logits resized to the stale shape first, they would be blurred twice.
    batch['data_samples'][0].set_metainfo(dict(ori_shape=(128, 192), scale_factor=(0.5, 0.5), pad_shape=(64, 96)))
    prediction = model.test_step(batch)[0]
    small = model.data_preprocessor(batch)['inputs']
    wanted = F.interpolate(read_labels(small, model.data_preprocessor), (128, 192), mode='bilinear')
    assert torch.allclose(prediction.seg_logits.data, wanted[0], rtol=0, atol=1e-6)
