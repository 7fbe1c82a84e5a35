"""Test-time augmentation: flips and scales through OpenMMLab's own pipelines, with networks that see what there is."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODELS, DefaultScope

from tests.integration.scenes import label_map
from tests.integration.swapped_models import initialised
from tests.integration.test_original_coordinates import one_hot_scores, oracle_segmentor

HW = (64, 96)
FACTORS = (1.0, 2.0)
BOX, LABEL = (12, 20, 44, 56), 1  # multiples of 4: edges stay between pixels when halved twice, no symmetry


def views(scope, image, resize, meta_keys=()):
    """The batch of one image in every scale, flipped and as it is."""
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    pack = dict(type='PackDetInputs', meta_keys=meta_keys) if scope == 'mmdet' else dict(type='PackSegInputs')
    with DefaultScope.overwrite_default_scope(scope):
        pipeline = Compose([dict(type='TestTimeAug', transforms=[resize, flips, [pack]])])
        loaded = dict(
            img=image,
            img_id=0,
            img_path='a.png',
            ori_shape=HW,
            img_shape=HW,
            seg_map_path=None,
            reduce_zero_label=False,
            seg_fields=[],
        )
        return pseudo_collate([pipeline(loaded)])


def wrapped(scope, kind, model, **kwargs):
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(dict(type=kind, module=model, **kwargs)).eval()


def test_detections_of_all_views_meet_on_the_object(tmp_path):
    x1, y1, x2, y2 = BOX
    image = np.zeros((*HW, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    model = initialised('detr', tmp_path).eval()
    seen = []

    def look(images):
        """The bright part of the only image of a batch, relative to its size."""
        mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
        bright = (images * std + mean).mean((0, 1)) > 127.5
        rows, cols = bright.any(1).nonzero().flatten(), bright.any(0).nonzero().flatten()
        h, w = bright.shape
        top, bottom, left, right = rows[0] / h, (rows[-1] + 1) / h, cols[0] / w, (cols[-1] + 1) / w
        edges = left * w, top * h, right * w, bottom * h
        seen.append(((h, w), tuple(round(float(edge), 3) for edge in edges)))
        box = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
        return one_hot_scores(torch.tensor([LABEL]))[None, None], box[None, None, None]

    model.extract_feat = lambda images: images
    model.forward_transformer = lambda images, samples: dict(hidden_states=images)
    model.bbox_head.forward = look
    model.bbox_head.test_cfg['max_per_img'] = 1
    resize = [dict(type='Resize', scale=(round(HW[1] * f), round(HW[0] * f)), keep_ratio=True) for f in FACTORS]
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
    nms = ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=5)
    tta = wrapped('mmdet', 'DetTTAModel', model, tta_cfg=nms)
    (found,) = tta.test_step(views('mmdet', image, resize, keys))
    # Flipped and not, downsized to half of 64 x 96 and of 128 x 192.
    flipped = (HW[1] - x2, y1, HW[1] - x1, y2)
    halves = [(factor, tuple(edge * factor for edge in box)) for factor in (0.5, 1.0) for box in (BOX, flipped)]
    assert sorted(seen) == sorted(((HW[0] * factor, HW[1] * factor), box) for factor, box in halves)
    assert found.pred_instances.labels.tolist() == [LABEL]  # four votes, one object
    torch.testing.assert_close(found.pred_instances.bboxes, torch.tensor([BOX]).float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize('padding_hw', [(64, 96), (128, 192)])
def test_label_maps_of_all_views_agree(padding_hw, tmp_path):
    labels = label_map(HW, 3, block=8)
    image = (60 * labels[0, :, :, None]).numpy().repeat(3, 2).astype(np.uint8)
    model = oracle_segmentor('fcn', tmp_path, data_preprocessor=dict(size=padding_hw))
    sizes = []
    look = model.extract_feat
    model.extract_feat = lambda inputs: sizes.append(tuple(inputs.shape[-2:])) or look(inputs)
    resize = [dict(type='Resize', scale_factor=f, keep_ratio=True) for f in FACTORS]
    batch = views('mmseg', image, resize)
    (found,) = wrapped('mmseg', 'SegTTAModel', model).test_step(batch)
    assert sizes == [(32, 48), (32, 48), (64, 96), (64, 96)]
    assert [sample[0].flip for sample in batch['data_samples']] == [True, False, True, False]
    map_found = found.pred_sem_seg.data.reshape(HW)
    # One view alone has it right up to its blocks' edges; mirrored views would disagree everywhere.
    assert torch.equal(map_found[2::8, 2::8], labels[0, 2::8, 2::8])
    assert torch.equal(map_found[5::8, 5::8], labels[0, 5::8, 5::8])
    assert (map_found == labels[0]).float().mean() > 0.9


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_a_network_with_a_position_embedding_sees_every_view(mode):
    """SETR's is interpolated to each view's size, in slide mode to that of its window."""
    backbone = dict(
        type='VisionTransformer', img_size=(32, 32), patch_size=16, embed_dims=16, num_layers=1, num_heads=2
    )
    head = dict(type='SETRUPHead', in_channels=16, channels=8, in_index=0, num_convs=1, up_scale=4, num_classes=3)
    preprocessor = dict(
        type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='FixedResizer'), scale_factor=0.5
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(
            dict(
                type='EncoderDecoder',
                data_preprocessor=dict(preprocessor, size_divisor=1),
                backbone=dict(backbone, out_indices=(0,), norm_cfg=dict(type='LN')),
                decode_head=dict(head, norm_cfg=dict(type='BN')),
                test_cfg=ConfigDict(mode=mode, crop_size=(32, 32), stride=(20, 20)),
            )
        )
    sizes = []
    look = model.extract_feat
    model.extract_feat = lambda inputs: sizes.append(tuple(inputs.shape[-2:])) or look(inputs)
    image = np.random.default_rng(0).integers(0, 256, (*HW, 3), np.uint8)
    batch = views('mmseg', image, [dict(type='Resize', scale_factor=f, keep_ratio=True) for f in FACTORS])
    (found,) = wrapped('mmseg', 'SegTTAModel', model).test_step(batch)
    assert set(sizes) == ({(32, 48), (64, 96)} if mode == 'whole' else {(32, 32)})
    assert found.pred_sem_seg.data.reshape(HW).shape == HW
