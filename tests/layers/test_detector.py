"""Both layers in a Faster R-CNN of mmdet's model zoo: at the start it is the stock one, and it trains."""

import pytest
import torch
from torch import nn

pytest.importorskip('mmdet')

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmdownsize.registry import MODELS
from tests.layers.test_upsample import disturbed

STRIDES = [4, 8, 16, 32]
ROIS = torch.tensor(
    [[0, 3.0, 5, 60, 70], [1, 0, 0, 350, 200], [0, -20, 4, 500, 620], [1, 8, 8, 9, 9], [0, 16, 30, 150, 180]]
)


def extractor(**kwargs):
    roi_layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2, **kwargs.pop('roi_layer', {}))
    cfg = dict(type='mmdownsize.TextureRoIExtractor', out_channels=4, featmap_strides=STRIDES, roi_layer=roi_layer)
    return MODELS.build({**cfg, **kwargs})


def pyramid(strides=STRIDES):
    return tuple(torch.randn(2, 4, 640 // s, 512 // s) for s in strides)


@pytest.mark.parametrize('factor', [None, 1.5])
def test_the_start_is_mmdets_extractor_on_every_level(factor):
    stock = SingleRoIExtractor(dict(type='RoIAlign', output_size=7, sampling_ratio=2), 4, STRIDES)
    ours, maps = extractor(), pyramid()
    assert len(stock.map_roi_levels(ROIS, 4).unique()) == 4
    torch.testing.assert_close(ours(maps, ROIS, factor), stock(maps, ROIS, factor), rtol=1e-4, atol=1e-4)
    assert ours.num_inputs == 4 and ours.finest_scale == 56
    assert extractor(finest_scale=28).finest_scale == 28


@pytest.mark.parametrize('rois', [ROIS[:1], ROIS[:0]])
@pytest.mark.parametrize('strides', [STRIDES, [16]])
def test_every_parameter_gets_a_gradient_whatever_levels_the_rois_are_on(strides, rois):
    ours, maps = extractor(featmap_strides=strides), [m.requires_grad_() for m in pyramid(strides)]
    out = ours(tuple(maps), rois)
    assert out.shape == (len(rois), 4, 7, 7)
    out.sum().backward()
    assert all(t.grad is not None for t in (*maps, *ours.parameters()))


@pytest.mark.parametrize(
    ('roi_layer', 'message'),
    [
        (dict(type='RoIPool'), "an RoIAlign with type='RoIAlign'"),
        (dict(aligned=False), 'an RoIAlign with aligned=True'),
        (dict(pool_mode='max'), "an RoIAlign with pool_mode='avg'"),
        (dict(use_torchvision=True), 'an RoIAlign with use_torchvision=False'),
        (dict(sampling_ratio=0), r'sampling_ratio of at least 1.*set roi_layer\.sampling_ratio=2'),
    ],
)
def test_what_cannot_be_weighed_is_refused(roi_layer, message):
    full = {**dict(type='RoIAlign', output_size=7, sampling_ratio=2), **roi_layer}
    with pytest.raises(ValueError, match=message):
        MODELS.build(
            dict(type='mmdownsize.TextureRoIExtractor', out_channels=4, featmap_strides=STRIDES, roi_layer=full)
        )


def test_a_roi_layer_without_a_type_or_samples_is_refused():
    for missing, message in (('type', "type='RoIAlign'"), ('sampling_ratio', 'sampling_ratio=2')):
        roi_layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2)
        roi_layer.pop(missing)
        with pytest.raises(ValueError, match=message):
            MODELS.build(
                dict(
                    type='mmdownsize.TextureRoIExtractor', out_channels=4, featmap_strides=STRIDES, roi_layer=roi_layer
                )
            )


NECK = dict(neck=dict(type='mmdownsize.TextureFPN'))
EXTRACTOR = dict(roi_head=dict(bbox_roi_extractor=dict(type='mmdownsize.TextureRoIExtractor')))


def detector(*swaps: dict) -> nn.Module:
    """The zoo's Faster R-CNN with a ResNet-50 of 8 channels, and RoIAlign with two samples."""
    init_default_scope('mmdet')
    cfg = Config.fromstring("_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'", '.py')
    small = dict(
        backbone=dict(base_channels=8, init_cfg=None, norm_eval=False, frozen_stages=-1, zero_init_residual=False),
        neck=dict(in_channels=[32, 64, 128, 256], out_channels=16),
        rpn_head=dict(in_channels=16, feat_channels=16),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=16, roi_layer=dict(sampling_ratio=2)),
            bbox_head=dict(in_channels=16, fc_out_channels=32, num_classes=3),
        ),
        test_cfg=dict(rcnn=dict(score_thr=0.0)),
    )
    cfg = Config(dict(model=cfg.model))
    for change in (small, *swaps):
        cfg.merge_from_dict(dict(model=change))
    torch.manual_seed(0)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    return model


def batch() -> dict:
    generator = torch.Generator().manual_seed(1)
    samples = []
    for boxes in ([[4.0, 8, 50, 60], [30, 20, 120, 90]], [[10.0, 10, 90, 40]]):
        sample = DetDataSample(
            metainfo=dict(img_shape=(96, 128), ori_shape=(96, 128), scale_factor=(1.0, 1.0), img_id=0)
        )
        sample.gt_instances = InstanceData(bboxes=torch.tensor(boxes), labels=torch.arange(len(boxes)))
        samples.append(sample)
    images = [torch.randint(0, 256, (3, 96, 128), generator=generator, dtype=torch.uint8) for _ in samples]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize('swaps', [(NECK,), (EXTRACTOR,), (NECK, EXTRACTOR)], ids=['neck', 'extractor', 'both'])
def test_predictions_of_the_stock_checkpoint_are_the_stock_models(swaps):
    stock, ours = detector().eval(), detector(*swaps).eval()
    missing, unexpected = ours.load_state_dict(stock.state_dict(), strict=False)
    assert not unexpected and all('upsamplers' in name or 'roi_layers' in name for name in missing)
    with torch.no_grad():
        expected, found = (model.test_step(batch()) for model in (stock, ours))
    for sample, other in zip(found, expected):
        assert len(other.pred_instances) > 10
        torch.testing.assert_close(sample.pred_instances.bboxes, other.pred_instances.bboxes, rtol=1e-4, atol=1e-2)
        torch.testing.assert_close(sample.pred_instances.scores, other.pred_instances.scores, rtol=1e-4, atol=1e-5)
        assert torch.equal(sample.pred_instances.labels, other.pred_instances.labels)


def test_training_steps_reach_every_parameter_and_predictions_change():
    model = detector(NECK, EXTRACTOR)
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.01)))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(2):
        losses = model.train().train_step(batch(), wrapper)
    assert all(torch.isfinite(loss) for loss in losses.values())
    still = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    # RoIs of this size are all on the finest level: the texture of the others has had no say.
    assert all(name.startswith('roi_head.bbox_roi_extractor.roi_layers.') for name in still)
    assert not any('.roi_layers.0.' in name for name in still)
    disturbed(model.neck.upsamplers), disturbed(model.roi_head.bbox_roi_extractor)
    with torch.no_grad():
        assert all(torch.isfinite(s.pred_instances.scores).all() for s in model.eval().test_step(batch()))
