"""mmdet's SoftTeacher with one downsizer for all branches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.models.detectors.semi_base import SemiBaseDetector
from mmengine.config import Config
from mmengine.structures import InstanceData

from tests.integration.scenes import OBJECTS, detection_batch, original_boxes
from tests.integration.swapped_models import _FPN, _R18, _ROI, _RPN, RecordingOptimWrapper, built
from tests.integration.test_original_coordinates import assert_original, two_stage_oracle

SHIPPED = 'mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py'
SHRUNK = dict(
    detector=dict(
        backbone=dict(**_R18, style='pytorch', norm_cfg=dict(requires_grad=True)),
        neck=_FPN,
        rpn_head=_RPN,
        roi_head=_ROI,
    ),
    # Whatever a fresh teacher sees is taken for true.
    semi_train_cfg=dict(pseudo_label_initial_score_thr=0.0, rpn_pseudo_thr=0.0, cls_pseudo_thr=0.0, reg_pseudo_thr=9.0),
)
SWAP = """
_base_ = {base!r}
model = dict(data_preprocessor=dict(
    type='mmdownsize.MultiBranchDownsizePreprocessor',
    data_preprocessor=dict(
        type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=0.5)))
"""


def swapped_config(folder):
    """The shipped config, swapped and shrunk."""
    path = folder / 'swapped.py'
    path.write_text(SWAP.format(base=SHIPPED))
    config = Config.fromfile(path)
    config.merge_from_dict(dict(model=SHRUNK))
    return config


@pytest.fixture
def config(tmp_path):
    return swapped_config(tmp_path)


def downsizer_of(model):
    return model.data_preprocessor.data_preprocessor.downsizer


def branches():
    """Labelled images; and others as the teacher sees them, twice as large, and the student, mirrored."""
    labelled, teacher, student = detection_batch(), detection_batch((2.0, 2.0)), detection_batch((2.0, 2.0))
    student['inputs'] = [image[:, ::2, ::2].flip(2) for image in student['inputs']]
    for image, sample in zip(student['inputs'], student['data_samples']):
        sample.set_metainfo(dict(img_shape=image.shape[1:], scale_factor=(1.0, 1.0)))
    for batch, scale, mirrored in ((labelled, 1, False), (teacher, 2, False), (student, 1, True)):
        for sample in batch['data_samples']:
            matrix = np.diag([scale, scale, 1]).astype(np.float32)
            if mirrored:
                matrix[0] = -1, 0, sample.img_shape[1]
            sample.set_metainfo(dict(homography_matrix=matrix))
            if batch is not labelled:
                del sample.gt_instances, sample.ignored_instances
    named = dict(sup=labelled, unsup_teacher=teacher, unsup_student=student)
    return {key: {name: batch[key] for name, batch in named.items()} for key in ('inputs', 'data_samples')}


def test_it_trains(config):
    model = built(config)
    model.init_weights()
    model.train()
    wrapper = RecordingOptimWrapper(model, torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-2))
    for _ in range(2):
        losses = model.train_step(branches(), wrapper)
        assert torch.isfinite(losses['loss'])
        assert losses['sup_loss_cls'] > 0
        assert losses['unsup_loss_cls'] > 0
    names = [
        f'data_preprocessor.data_preprocessor.downsizer.{name}' for name, _ in downsizer_of(model).named_parameters()
    ]
    assert len(names) == 6
    assert all(wrapper.gradients[1][name].abs().sum() > 0 for name in names)
    own = ('data_preprocessor.data_preprocessor.downsizer.', '_extra_state')
    others = [name for name in model.state_dict() if 'downsizer' in name and name not in names]
    assert others == [''.join(own)]  # there is one downsizer, with its settings


def test_the_teachers_boxes_land_on_the_students_objects(config):
    model = built(config)
    data = model.data_preprocessor(branches(), True)
    seen = [torch.tensor(boxes) / 2 for boxes in OBJECTS.values()]  # in the frame of the teacher's network
    model.teacher.predict = lambda *args, **kwargs: [
        SimpleNamespace(pred_instances=InstanceData(bboxes=boxes, scores=torch.ones(len(boxes)))) for boxes in seen
    ]
    inputs, samples = (data[key]['unsup_teacher'] for key in ('inputs', 'data_samples'))
    pseudo, _ = SemiBaseDetector.get_pseudo_instances(model, inputs, samples)
    projected = model.project_pseudo_instances(pseudo, data['data_samples']['unsup_student'])
    for sample, ((_, w), boxes) in zip(projected, OBJECTS.items()):
        x1, y1, x2, y2 = torch.tensor(boxes).unbind(1)
        # Half the teacher's view, mirrored, and half of that again by the downsizer.
        wanted = torch.stack([w - x2, y1, w - x1, y2], 1) / 4
        assert torch.allclose(sample.gt_instances.bboxes, wanted, rtol=0, atol=1e-3)


def test_it_predicts_in_original_coordinates(config):
    model = built(config).eval()
    batch = detection_batch((2.0, 2.0))
    mapped = model.data_preprocessor.data_preprocessor(batch, True)['data_samples']
    two_stage_oracle(model.teacher, [sample.gt_instances.bboxes for sample in mapped])
    assert_original(model.test_step(batch), batch)
    assert original_boxes(batch['data_samples'][0]).max() < 64


def test_the_start_survives_the_models_initialisation(config):
    config.model.init_cfg = dict(type='Constant', layer='Conv2d', val=3.0, bias=2.0)
    model = built(config)
    model.init_weights()
    net = downsizer_of(model)
    assert not net.fusion.weight.any() and not net.fusion.bias.any()
    assert not any((conv.weight == 3).any() for conv in net.texture)
    assert (model.student.rpn_head.rpn_conv.weight != 3).any()  # its own comes after


def test_the_downsizers_own_initialisation_is_applied(config):
    own = dict(type='Constant', layer='Conv2d', val=0.5, bias=0.25)
    config.model.data_preprocessor.data_preprocessor.downsizer.init_cfg = own
    model = built(config)
    model.init_weights()
    assert (downsizer_of(model).fusion.weight == 0.5).all()
    model.init_weights()


def test_swapping_the_detectors_own_preprocessor_is_refused(config):
    config.model.detector.data_preprocessor = config.model.data_preprocessor.data_preprocessor
    with pytest.raises(ValueError, match="student's and the teacher's data preprocessors are never called"):
        built(config)
