"""Heads that return wrong masks where width and height have different scales."""

import warnings

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

pytest.importorskip('mmdet')

from mmdet.models.dense_heads import RTMDetInsHead

from mmdownsize.geometry import ResizeMap
from mmdownsize.refusal import Refusal
from tests.preprocessors.batches import det_preprocessor, det_sample, random_image


class RTMDetInsSepBNHead(nn.Module):
    """A head of that name elsewhere."""


class Subclass(RTMDetInsHead):
    def __init__(self):
        nn.Module.__init__(self)


class Model(BaseModel):
    def __init__(self, head, **target):
        super().__init__(det_preprocessor(**target))
        self.roi_head = nn.ModuleDict(dict(mask_head=head))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return inputs


def batch(hw, **metainfo):
    return dict(inputs=[random_image(hw)], data_samples=[det_sample(hw, **metainfo)])


@pytest.mark.parametrize('head', [RTMDetInsSepBNHead, Subclass])
def test_two_factors_are_refused_when_the_model_is_built(head):
    name = head.__mro__[0 if head is RTMDetInsSepBNHead else 1].__name__
    with pytest.raises(Refusal, match=rf'scale_factor=\(0.5, 0.4\) has another scale .* and {name} would return masks'):
        Model(head(), scale_factor=(0.5, 0.4))
    assert Model(head(), scale_factor=(0.5, 0.5)).data_preprocessor(batch((37, 53)), True)
    assert Model(nn.Conv2d(1, 1, 1), scale_factor=(0.5, 0.4)).data_preprocessor(batch((37, 53)), True)


@pytest.mark.parametrize('training', [True, False])
def test_two_scales_are_refused_at_the_first_batch(training):
    model = Model(RTMDetInsSepBNHead(), scale=(32, 32))
    assert model.data_preprocessor(batch((64, 64)), training)
    with pytest.raises(Refusal, match=r'\(48, 64\) -> \(32, 32\) \(h, w\) has another scale .*: say one scale_factor'):
        model.data_preprocessor(batch((48, 64)), training)
    kept = Model(RTMDetInsSepBNHead(), scale=(32, 32), keep_ratio=True)
    assert kept.data_preprocessor(batch((48, 64)), training)['data_samples'][0].img_shape == (24, 32)


def test_a_preprocessor_that_comes_after_the_head_knows_of_it_too():
    model = Model(RTMDetInsSepBNHead())
    model.data_preprocessor = det_preprocessor(scale=(32, 32))
    with pytest.raises(Refusal, match='has another scale'):
        model.data_preprocessor(batch((48, 64)))


def test_rows_that_roundings_take_are_named_once():
    model = Model(RTMDetInsSepBNHead(), scale_factor=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model.data_preprocessor(batch((330, 500)), False)
    with pytest.warns(UserWarning, match=r'masks of \(330, 500\) \(h, w\) for an image of \(331, 500\)') as caught:
        for _ in range(2):
            model.data_preprocessor(batch((331, 500)), False)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for side in range(64, 128):  # squares have one scale, whatever the rounding
            square = batch((side, side), ori_shape=(side - 5, side))
            Model(RTMDetInsSepBNHead(), scale_factor=0.3).data_preprocessor(square, False)


class YOLACTProtonet(nn.Module):
    """A head of that name."""


def test_masks_of_a_padded_image_are_refused_where_a_head_would_stretch_them():
    model = Model(YOLACTProtonet(), scale_factor=(0.4, 0.5), pad_size_divisor=32)
    assert model.data_preprocessor(batch((64, 80)), False)['inputs'].shape[-2:] == (32, 32)
    assert model.data_preprocessor(batch((60, 80)), True)['inputs'].shape[-2:] == (
        32,
        32,
    )  # the losses pad the masks too
    with pytest.raises(
        Refusal, match=r'\(30, 32\) \(h, w\) is padded to \(32, 32\), and YOLACTProtonet would stretch .*: say pad'
    ):
        model.data_preprocessor(batch((60, 80)), False)
    two = Model(YOLACTProtonet(), scale_factor=0.5)
    both = dict(inputs=[random_image((60, 80)), random_image((64, 80))])
    with pytest.raises(Refusal, match=r'is padded to \(32, 40\).* batch_size=1 at test time'):
        two.data_preprocessor(both, False)


def test_masks_of_yolact_itself_under_the_padding_that_is_refused():
    """The limit is in mmdet: an object in the right half of an image is elsewhere if half of what it sees is padding."""
    from mmdet.models.dense_heads import YOLACTProtonet as Protonet
    from mmengine.config import ConfigDict

    head = Protonet.__new__(Protonet)
    nn.Module.__init__(head)
    head.test_cfg = ConfigDict(mask_thr=0.5, mask_thr_binary=0.5)

    def columns(seen):
        meta = dict(scale_factor=(1.0, 1.0), ori_shape=(8, 8))
        found = head._predict_by_feat_single(seen[None], torch.zeros(1, 4), meta, rescale=True)
        return found[0].any(0).nonzero().flatten().tolist()

    seen = torch.zeros(8, 8)
    seen[:, 4:] = 1
    assert columns(seen) == [4, 5, 6, 7]
    assert columns(nn.functional.pad(seen, (0, 8))) == [2, 3]


@pytest.mark.parametrize(
    ('src_hw', 'dst_hw', 'kept'),
    [
        ((480, 640), (240, 320), True),
        ((37, 53), (15, 21), True),  # 0.4, rounded
        ((427, 640), (213, 320), True),  # 0.4988 to 0.4992 and 0.4992 to 0.5008
        ((427, 640), (212, 320), False),
        ((480, 640), (320, 320), False),
        ((3, 5), (1, 1), True),
    ],
)
def test_one_factor_rounded_to_whole_pixels(src_hw, dst_hw, kept):
    assert ResizeMap(src_hw, dst_hw).keeps_ratio == kept
    assert ResizeMap(src_hw[::-1], dst_hw[::-1]).keeps_ratio == kept


def test_masks_of_the_head_itself_under_the_scales_that_are_refused():
    """The limit is in mmdet: with one scale masks have the image's size, with two they do not."""
    from mmengine.config import ConfigDict
    from mmengine.structures import InstanceData

    head = Subclass()
    head.prior_generator = type('', (), dict(strides=[(8, 8)]))()
    head._mask_predict_by_feat_single = lambda *_: torch.zeros(1, 8, 8)
    cfg = ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=1, mask_thr_binary=0.5)

    def shape(scale_factor):
        found = InstanceData(bboxes=torch.tensor([[1.0, 1, 9, 9]]), scores=torch.ones(1), labels=torch.zeros(1))
        found.kernels = found.priors = torch.zeros(1, 1)
        meta = dict(scale_factor=scale_factor, ori_shape=(128, 128))
        return tuple(head._bbox_mask_post_process(found, None, cfg, rescale=True, img_meta=meta).masks.shape[-2:])

    assert shape((0.5, 0.5)) == (128, 128)
    assert shape((1.0, 0.5)) == (64, 128)
