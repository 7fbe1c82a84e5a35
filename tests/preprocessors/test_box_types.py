"""Boxes of other types, as mmrotate's and mmyolo's, are scaled by their own rules."""

import copy

import torch
from mmdet.structures.bbox import HorizontalBoxes

from tests.preprocessors.batches import SCALE_X, SCALE_Y, SRC_HW, det_preprocessor, det_sample, random_image


class RotatedBoxes(HorizontalBoxes):
    """Five numbers a box, (cx, cy, w, h, angle): a stand-in for mmrotate's, which scales sides as their directions are scaled."""

    box_dim = 5

    def rescale_(self, scale_factor):
        cx, cy, w, h, angle = self.tensor.unbind(-1)
        sx, sy = scale_factor
        along = torch.hypot(sx * angle.cos(), sy * angle.sin())
        across = torch.hypot(sx * angle.sin(), sy * angle.cos())
        self.tensor = torch.stack([cx * sx, cy * sy, w * along, h * across, angle], -1)


def rotated_sample():
    boxes = torch.tensor(
        [[20.0, 10.0, 12.0, 4.0, 0.0], [30.0, 20.0, 8.0, 6.0, torch.pi / 2], [25.0, 15.0, 10.0, 10.0, 0.3]]
    )
    sample = det_sample(SRC_HW)
    sample.gt_instances.bboxes = RotatedBoxes(boxes, clone=False)
    return sample, boxes.clone()


def test_their_own_rule_is_asked_with_the_scales_of_both_axes():
    sample, boxes = rotated_sample()
    given = copy.deepcopy(sample.gt_instances.bboxes.tensor)
    preprocessor = det_preprocessor(boxtype2tensor=False)
    out = preprocessor(dict(inputs=[random_image()], data_samples=[sample]), True)['data_samples'][0]
    found = out.gt_instances.bboxes
    assert isinstance(found, RotatedBoxes)
    assert torch.equal(sample.gt_instances.bboxes.tensor, given)
    centres = boxes[:, :2] * torch.tensor([SCALE_X, SCALE_Y])
    torch.testing.assert_close(found.tensor[:, :2], centres)
    assert torch.equal(found.tensor[:, 4], boxes[:, 4])
    # The first lies along x, the second along y.
    torch.testing.assert_close(found.tensor[0, 2:4], torch.tensor([12 * SCALE_X, 4 * SCALE_Y]))
    torch.testing.assert_close(found.tensor[1, 2:4], torch.tensor([8 * SCALE_Y, 6 * SCALE_X]))


def test_they_become_tensors_where_the_model_wants_them():
    sample, _ = rotated_sample()
    out = det_preprocessor()(dict(inputs=[random_image()], data_samples=[sample]), True)['data_samples'][0]
    assert type(out.gt_instances.bboxes) is torch.Tensor
    assert out.gt_instances.bboxes.shape == (3, 5)
