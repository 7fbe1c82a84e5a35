"""Made-up batches: which annotations, and the same scene at two sizes."""

import pytest
import torch

from mmdownsize.configs import read_named_config
from mmdownsize.made_up import Kinds, kinds_of, made_up_batch


def test_annotations_are_those_that_the_pipeline_loads():
    pytest.importorskip('mmdet')

    def of(name):
        return kinds_of(read_named_config(f'mmdet::{name}')[0])

    assert of('htc/htc_r50_fpn_1x_coco.py') == Kinds(masks=True, semantic=True)
    assert of('fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py') == Kinds(proposals=True)
    assert of('centernet/centernet_r18_8xb16-crop512-140e_coco.py') == Kinds(border=True)
    assert of('retinanet/retinanet_r18_fpn_1x_coco.py') == Kinds()
    panoptic = of('maskformer/maskformer_r50_ms-16xb1-75e_coco.py')
    assert panoptic == Kinds(masks=True, semantic=True, first_stuff=80)


def test_maps_beside_the_labels_are_found():
    pytest.importorskip('mmseg')
    assert kinds_of(read_named_config('mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py')[0]).edges


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
def test_larger_images_are_the_small_ones_with_every_pixel_repeated(scope):
    pytest.importorskip(scope)
    kinds = Kinds(masks=True, semantic=True, proposals=True, edges=True, depth=True, border=True, first_stuff=3)
    small, large = (
        made_up_batch(scope, (32, 48), kinds=kinds, ori_hw=(48, 72), repeat=factor, channels=5) for factor in (1, 2)
    )
    for a, b in zip(small['inputs'], large['inputs']):
        assert a.shape == (5, 32, 48) and a.dtype == torch.uint8
        assert torch.equal(b[:, ::2, ::2], a) and torch.equal(b[:, 1::2, 1::2], a)
    for a, b in zip(small['data_samples'], large['data_samples']):
        assert b.img_shape == (64, 96) and a.ori_shape == b.ori_shape == (48, 72)
        assert (b.border == 2 * a.border).all()
        assert b.scale_factor == pytest.approx((96 / 72, 64 / 48))
        if scope == 'mmdet':
            assert torch.equal(b.gt_instances.bboxes.tensor, 2 * a.gt_instances.bboxes.tensor)
            assert torch.equal(b.proposals.bboxes, 2 * a.proposals.bboxes)
            assert (b.gt_instances.masks.masks[:, ::2, ::2] == a.gt_instances.masks.masks).all()
            assert a.gt_instances.masks.masks.any(axis=(1, 2)).all()
            assert set(b.gt_sem_seg.sem_seg.unique().tolist()) == {3, 4}
        else:
            assert torch.equal(b.gt_depth_map.data[:, ::2, ::2], a.gt_depth_map.data)
            assert b.gt_sem_seg.data.shape == b.gt_edge_map.data.shape == (1, 64, 96)


def test_images_without_annotations_keep_their_proposals():
    pytest.importorskip('mmdet')
    (sample,) = made_up_batch('mmdet', (32, 48), images=1, annotated=False, kinds=Kinds(proposals=True))['data_samples']
    assert 'gt_instances' not in sample and len(sample.proposals.bboxes) == 24


def test_other_scopes_are_refused():
    with pytest.raises(ValueError, match="default_scope must be 'mmdet' or 'mmseg', got 'mmpose'"):
        made_up_batch('mmpose', (8, 8))
