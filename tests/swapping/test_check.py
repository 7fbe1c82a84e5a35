"""The check of a config with a downsizer on made-up data."""

import warnings
from collections import OrderedDict

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

from mmengine.structures import InstanceData

from mmdownsize.configs import read_named_config
from mmdownsize.quiet import nothing_else_said
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.check import check, source_hw
from mmdownsize.swapping.edits import edited
from mmdownsize.swapping.swap import swap_edits
from tests.integration.swapped_models import config_of
from tests.tools.small_training import HW, write_config

NET = dict(type='DownsizeNet')


def swapped(name, **target):
    cfg = read_named_config(name)[0]
    return edited(cfg, swap_edits(cfg, NET, target))


def test_check_sees_a_downsizer_that_cannot_learn(tmp_path, data, monkeypatch):
    path = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    cfg = Config.fromfile(path)
    assert check(cfg)
    preprocess = torch.no_grad()(lambda self, data, training: self.__class__.__mro__[1].__call__(self, data, training))
    monkeypatch.setattr('mmdownsize.preprocessors.seg.SegDownsizePreprocessor.__call__', preprocess, raising=False)
    with pytest.raises(ValueError, match='the downsizer is trainable but receives no gradient'):
        check(cfg)


def test_two_lines_say_what_works_and_at_which_sizes(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0))
    cfg.val_dataloader.dataset.pipeline.insert(1, dict(type='Resize', scale=(60, 40)))
    cfg.test_dataloader = cfg.val_dataloader
    trained, tested = check(cfg)
    h, w = HW
    assert trained.startswith(
        f'works in training: {h}x{w} px (h x w) become {h // 2}x{w // 2}: losses and gradients: loss 0.'
    )
    assert tested == ('works at test time: 40x60 px (h x w) become 20x30: a prediction: pred_sem_seg of 60x90 px')


def test_a_detector_is_checked_at_the_sizes_of_its_own_pipelines():
    """At 160 px RTMDet's strides do not divide half of the size; at its own 640 px they do."""
    trained, tested = check(swapped('mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', scale_factor=0.25))
    assert '640x640 px (h x w) become 160x160: ' in trained and '640x640 px (h x w) become 160x160: ' in tested
    assert tested.endswith('10 boxes, masks of 960x960 px')


def test_strides_that_do_not_divide_the_target_are_named_with_the_way_out():
    cfg = swapped('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', scale=(72, 72))
    with pytest.raises(
        RuntimeError, match=r'no images of 72x72 px .*it takes 96x96: say pad_size_divisor=32 in data_pre'
    ):
        check(cfg)
    cfg.model.data_preprocessor.pad_size_divisor = 32
    assert 'become 72x72, padded to 96x96' in check(cfg)[0]


def test_masks_of_another_size_than_the_image_are_seen(monkeypatch):
    """RTMDet-Ins under two scales, had the preprocessor not refused them."""
    cfg = swapped('mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', scale=(160, 96))
    with pytest.raises(
        Refusal, match=r'\(640, 640\) -> \(96, 160\) .* RTMDetInsSepBNHead would return masks of another'
    ):
        check(cfg)
    monkeypatch.setattr('mmdownsize.preprocessors.limits.check_maps', lambda *_: None)
    with pytest.raises(Refusal, match=r'predicted masks have \(576, 960\) \(h, w\), the original image \(960, 960\)'):
        check(cfg)


@pytest.mark.parametrize('name', ['fast_rcnn', 'centernet', 'panoptic_fpn', 'mask2former'])
def test_models_get_what_they_read_besides_boxes_and_labels(name, tmp_path):
    """Proposals, borders, masks with stuff."""
    trained, tested = check(config_of(name, tmp_path, target='scale_factor=0.125'))
    assert trained.startswith('works in training') and tested.startswith('works at test time')


def test_a_model_of_four_channels_is_checked(tmp_path):
    overrides = dict(data_preprocessor=dict(mean=[0.0], std=[1.0], bgr_to_rgb=False))
    cfg = config_of('faster_rcnn', tmp_path, target='scale_factor=0.125', **overrides)
    cfg.model.backbone.in_channels = cfg.model.data_preprocessor.downsizer.in_channels = 4
    assert check(cfg)


@pytest.fixture
def logger(capsys, monkeypatch):
    """mmengine's only logger, which writes to what the test reads."""
    monkeypatch.setattr(MMLogger, '_instance_dict', OrderedDict())
    return MMLogger.get_instance('heard', log_level='INFO')


def test_only_what_this_package_says_is_heard(tmp_path, data, logger, capsys):
    cfg = Config.fromfile(write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0))
    level = logger.level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        check(cfg)
    assert not caught and capsys.readouterr() == ('', '') and logger.level == level
    check(cfg, log=True)
    assert 'backbone.' in ''.join(capsys.readouterr())  # how every parameter was initialised

    cfg.model.data_preprocessor.scale_factor, cfg.model.data_preprocessor.scale = None, HW[::-1]
    with pytest.warns(UserWarning, match='nothing is left to downsize'):
        check(cfg)


def test_the_log_is_back_after_an_error():
    logger = MMLogger.get_current_instance()
    level = logger.level
    with pytest.raises(ZeroDivisionError), nothing_else_said():
        1 / 0  # noqa: B018
    assert logger.level == level


@pytest.mark.parametrize(
    ('preprocessor', 'hw'),
    [
        (dict(scale_factor=0.5), (480, 640)),  # a photograph
        (dict(scale=(40, 30)), (60, 80)),  # something to downsize
        (dict(scale=40), (80, 80)),
    ],
)
def test_images_that_come_as_their_files_are(preprocessor, hw):
    cfg = Config(dict(default_scope='mmdet', model=dict(data_preprocessor=preprocessor)))
    assert source_hw(cfg, training=True) == source_hw(cfg, training=False) == hw


def test_a_prediction_has_to_be_one_of_the_image():
    from mmdet.structures import DetDataSample

    from mmdownsize.swapping.predicted import prediction_of

    sample = DetDataSample(metainfo=dict(ori_shape=(30, 40)))
    with pytest.raises(Refusal, match='the model predicts nothing'):
        prediction_of(sample)
    sample.pred_instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 9, 9]]), masks=torch.zeros(1, 30, 40))
    assert prediction_of(sample)['words'] == '1 boxes, masks of 30x40 px'
    sample.pred_instances.masks = torch.zeros(1, 29, 40)
    with pytest.raises(Refusal, match=r'predicted masks have \(29, 40\) \(h, w\), the original image \(30, 40\)'):
        prediction_of(sample)
    sample.pred_instances = InstanceData(bboxes=torch.full((1, 4), float('nan')))
    with pytest.raises(Refusal, match='not finite'):
        prediction_of(sample)
