"""RefineDet's two modules: anchor refinement (ARM) and object detection (ODM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

IGNORED, NO_OBJECT = -1, 0  # what the assigner returns for an anchor; a number above 0 is 1 + the index of an object
XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)
# At the centre of every pixel: one scale, 4 times the stride, and three ratios h / w (the paper, section 3.4).
ANCHORS = dict(type='AnchorGenerator', strides=[8, 16, 32, 64], scales=[4.0], ratios=[0.5, 1.0, 2.0], center_offset=0.5)
# SSD's variances, 0.1 and 0.2.
CODER = dict(type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2])
SOFTMAX = dict(type='CrossEntropyLoss')
SMOOTH_L1 = dict(type='SmoothL1Loss')


@MODELS.register_module()
class RefineDetHead(BaseDenseHead):
    """Refine anchors and score object against background (ARM), then classify and refine them again (ODM).

    Each level has four 3x3 convolutions: two scores and four offsets an anchor (ARM, on the backbone's maps), and K + 1 scores
    and four offsets (ODM, on the transferred maps). Class indices are mmdet's: background is the last.

    Training (sections 3.2 to 3.4):

    - The ARM matches regular anchors with objects of any class. The ODM matches refined anchors with objects of their class.
      Both use ``train_cfg.assigner``. No gradient passes through the refined anchors.
    - Negative anchor filtering: if the ARM's confidence in background is above ``negative_threshold``, the anchor is no
      negative example for the ODM.
    - Hard negative mining: in each image only the negatives with the largest loss count, ``neg_pos_ratio`` times as many as
      there are positives.
    - The losses of a module are divided by its number of positives in the batch. They are 0 if there are none.

    Prediction: anchors with a confidence in background above ``negative_threshold`` are left out. The ``test_cfg.nms_pre``
    most confident detections of the image, all levels together, go through non-maximum suppression.

    Where the paper is not specific, we follow the authors' published code: only negatives are filtered. What differs from
    this code:

    - If two objects have the same best anchor, the later object gets it (mmdet's ``MaxIoUAssigner``).
    - One step changes the size of a box by a factor of at most 62.5 (mmdet's coder).
    - Objects marked as difficult are not trained on (mmdet's ``VOCDataset``).
    - 400 detections of an image go through non-maximum suppression and 200 are kept, as the paper says. The scripts of the
      code take 1000 a class and keep 500.

    Args:
        num_classes: Number of classes K, without background.
        in_channels: Channels of the maps for the ARM, one number a level, from fine to coarse.
        feat_channels: Channels of the maps for the ODM.
        anchor_generator: Config of mmdet's anchor generator. Its strides must double from level to level.
        bbox_coder: Config of mmdet's box coder, for both modules.
        loss_cls: A loss on softmax scores, called like mmdet's ``CrossEntropyLoss``, for both modules.
        loss_bbox: A loss on encoded offsets, called like mmdet's ``SmoothL1Loss``, for both modules.
        negative_threshold: Largest confidence in background, 0 to 1, of an anchor that the ODM uses (theta in the paper).
        neg_pos_ratio: Largest number of negatives for one positive.
        train_cfg: ``assigner``. None if the head is not trained.
        test_cfg: ``nms_pre``, ``score_thr``, ``nms``, ``max_per_img``, as for mmdet's other dense heads.
        init_cfg: Initialisation, as in mmengine. Default: Xavier, as the authors do.

    Raises:
        ValueError: If the number of levels differs between ``in_channels`` and the anchors, strides do not double, or a
            number is out of its range.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: Sequence[int] = (512, 512, 1024, 512),
        feat_channels: int = 256,
        anchor_generator: dict[str, Any] = ANCHORS,
        bbox_coder: dict[str, Any] = CODER,
        loss_cls: dict[str, Any] = SOFTMAX,
        loss_bbox: dict[str, Any] = SMOOTH_L1,
        negative_threshold: float = 0.99,
        neg_pos_ratio: float = 3.0,
        train_cfg: dict[str, Any] | None = None,
        test_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = XAVIER,
    ) -> None:
        if num_classes < 1:
            raise Refusal(f'num_classes must be at least 1 (background is not counted), got {num_classes}')
        if not 0 < negative_threshold <= 1:
            raise Refusal(f'negative_threshold must be above 0 and at most 1 (no filtering), got {negative_threshold}')
        if neg_pos_ratio <= 0:
            raise Refusal(f'neg_pos_ratio must be above 0, got {neg_pos_ratio}')
        super().__init__(init_cfg=init_cfg)
        self.prior_generator = TASK_UTILS.build(anchor_generator)
        _check_strides(self.prior_generator.strides, len(in_channels))
        self.num_classes = num_classes
        self.negative_threshold = negative_threshold
        self.neg_pos_ratio = neg_pos_ratio
        self.train_cfg = train_cfg
        self.test_cfg = test_cfg
        self.bbox_coder = TASK_UTILS.build(bbox_coder)
        self.loss_cls = MMDET_MODELS.build(loss_cls)
        self.loss_bbox = MMDET_MODELS.build(loss_bbox)
        self.assigner = TASK_UTILS.build(train_cfg['assigner']) if train_cfg else None
        # mmdet's post-processing reads these two.
        self.cls_out_channels = num_classes + 1
        self.use_sigmoid_cls = False

        anchors = self.prior_generator.num_base_priors
        feat = [feat_channels] * len(in_channels)
        self.arm_cls = nn.ModuleList(_conv3x3(c, a * 2) for c, a in zip(in_channels, anchors))
        self.arm_reg = nn.ModuleList(_conv3x3(c, a * 4) for c, a in zip(in_channels, anchors))
        self.odm_cls = nn.ModuleList(_conv3x3(c, a * self.cls_out_channels) for c, a in zip(feat, anchors))
        self.odm_reg = nn.ModuleList(_conv3x3(c, a * 4) for c, a in zip(feat, anchors))

    def forward(self, x: tuple[Sequence[Tensor], Sequence[Tensor]]) -> tuple[list[Tensor], ...]:
        """Return scores and offsets of the ARM, then scores and offsets of the ODM.

        Args:
            x: The maps for the ARM and those for the ODM, as :class:`RefineDetNeck` returns them.

        Returns:
            Four lists with one map a level. With A anchors a pixel: (N, A * 2, h, w), (N, A * 4, h, w),
            (N, A * (K + 1), h, w) and (N, A * 4, h, w). The last score of an anchor is background.

        Raises:
            ValueError: If the number of maps is not the number of levels.
        """
        sources, transferred = x
        levels = self.prior_generator.num_levels
        if not len(sources) == len(transferred) == levels:
            raise Refusal(
                f'the anchors have {levels} levels, got {len(sources)} maps for the ARM and {len(transferred)} for the ODM'
            )
        return (
            [conv(source) for conv, source in zip(self.arm_cls, sources)],
            [conv(source) for conv, source in zip(self.arm_reg, sources)],
            [conv(feat) for conv, feat in zip(self.odm_cls, transferred)],
            [conv(feat) for conv, feat in zip(self.odm_reg, transferred)],
        )

    def loss_by_feat(
        self,
        arm_scores: list[Tensor],
        arm_offsets: list[Tensor],
        odm_scores: list[Tensor],
        odm_offsets: list[Tensor],
        batch_gt_instances: Sequence[InstanceData],
        batch_img_metas: Sequence[dict[str, Any]],
        batch_gt_instances_ignore: Sequence[InstanceData | None] | None = None,
    ) -> dict[str, Tensor]:
        """Return the four losses of equation 1.

        Args:
            arm_scores: (N, A * 2, h, w) a level: object and background for each regular anchor.
            arm_offsets: (N, A * 4, h, w) a level: encoded offsets of the regular anchors.
            odm_scores: (N, A * (K + 1), h, w) a level: classes and background for each refined anchor.
            odm_offsets: (N, A * 4, h, w) a level: encoded offsets of the refined anchors.
            batch_gt_instances: ``bboxes`` (G, 4), (x1, y1, x2, y2) in px, and ``labels`` (G,) of each image. G may be 0.
            batch_img_metas: ``pad_shape`` and ``batch_input_shape`` of each image.
            batch_gt_instances_ignore: Objects of each image that the assigner ignores.

        Returns:
            ``loss_arm_cls``, ``loss_arm_bbox``, ``loss_odm_cls`` and ``loss_odm_bbox``: scalars.

        Raises:
            ValueError: If there is no ``train_cfg``, an image is smaller than the largest stride, or a map does not have
                its stride.
        """
        if self.assigner is None:
            raise Refusal('train_cfg=dict(assigner=...) is needed for the losses, got None')
        map_hws = [tuple(scores.shape[-2:]) for scores in arm_scores]
        anchors = self.anchors(map_hws, batch_img_metas, arm_scores[0].device)  # (A, 4)
        arm_scores, arm_offsets = _flatten(arm_scores, 2), _flatten(arm_offsets, 4)
        odm_scores, odm_offsets = _flatten(odm_scores, self.cls_out_channels), _flatten(odm_offsets, 4)
        refined = self.refine(anchors, arm_offsets)

        ignored = batch_gt_instances_ignore or [None] * len(batch_gt_instances)
        arm_targets, odm_targets = [], []
        for image, (objects, ignore, meta) in enumerate(zip(batch_gt_instances, ignored, batch_img_metas)):
            valid = torch.cat(self.prior_generator.valid_flags(map_hws, meta['pad_shape'], anchors.device))
            arm_targets.append(self._match(anchors, valid, objects.bboxes, torch.zeros_like(objects.labels), ignore, 1))
            odm_targets.append(
                self._match(refined[image], valid, objects.bboxes, objects.labels, ignore, self.num_classes)
            )
        arm_cls, arm_bbox = self._multibox_loss(arm_scores, arm_offsets, *map(torch.stack, zip(*arm_targets)))
        matched, labels, targets = map(torch.stack, zip(*odm_targets))
        easy = (matched == NO_OBJECT) & (self.confidence_in_background(arm_scores) > self.negative_threshold)
        matched = matched.masked_fill(easy, IGNORED)
        odm_cls, odm_bbox = self._multibox_loss(odm_scores, odm_offsets, matched, labels, targets)
        return dict(loss_arm_cls=arm_cls, loss_arm_bbox=arm_bbox, loss_odm_cls=odm_cls, loss_odm_bbox=odm_bbox)

    def predict_by_feat(
        self,
        arm_scores: list[Tensor],
        arm_offsets: list[Tensor],
        odm_scores: list[Tensor],
        odm_offsets: list[Tensor],
        batch_img_metas: Sequence[dict[str, Any]],
        cfg: dict[str, Any] | None = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Return the detections of each image.

        Args:
            arm_scores: (N, A * 2, h, w) a level: object and background for each regular anchor.
            arm_offsets: (N, A * 4, h, w) a level: encoded offsets of the regular anchors.
            odm_scores: (N, A * (K + 1), h, w) a level: classes and background for each refined anchor.
            odm_offsets: (N, A * 4, h, w) a level: encoded offsets of the refined anchors.
            batch_img_metas: ``img_shape``, ``batch_input_shape`` and, to rescale, ``scale_factor`` of each image.
            cfg: Replaces ``test_cfg``.
            rescale: Return boxes in px of the original image instead of px of the image that the model saw.
            with_nms: Apply non-maximum suppression.

        Returns:
            ``bboxes`` (D, 4), ``scores`` (D,) and ``labels`` (D,) of each image, the most confident first.

        Raises:
            ValueError: If there is neither ``cfg`` nor ``test_cfg``, an image is smaller than the largest stride, or a map
                does not have its stride.
        """
        if cfg is None and self.test_cfg is None:
            raise Refusal('test_cfg=dict(nms_pre=..., score_thr=..., nms=..., max_per_img=...) is needed, got None')
        map_hws = [tuple(scores.shape[-2:]) for scores in arm_scores]
        anchors = self.anchors(map_hws, batch_img_metas, arm_scores[0].device)
        arm_scores, arm_offsets = _flatten(arm_scores, 2), _flatten(arm_offsets, 4)
        refined = self.refine(anchors, arm_offsets)
        scores = _flatten(odm_scores, self.cls_out_channels).detach()
        offsets = _flatten(odm_offsets, 4).detach()
        easy = self.confidence_in_background(arm_scores) > self.negative_threshold
        classes = scores[..., :-1].masked_fill(easy[..., None], -torch.inf)  # their confidence is 0 after the softmax
        scores = torch.cat([classes, scores[..., -1:]], dim=-1)
        # All levels are given as one, of A x 1 pixels: nms_pre then counts per image as in the paper. mmdet's is per level.
        return [
            self._predict_by_feat_single(
                cls_score_list=[scores[image].T[..., None]],
                bbox_pred_list=[offsets[image].T[..., None]],
                score_factor_list=[None],
                mlvl_priors=[refined[image]],
                img_meta=meta,
                cfg=cfg,
                rescale=rescale,
                with_nms=with_nms,
            )
            for image, meta in enumerate(batch_img_metas)
        ]

    def anchors(
        self, map_hws: Sequence[tuple[int, int]], batch_img_metas: Sequence[dict[str, Any]], device: torch.device
    ) -> Tensor:
        """Return the regular anchors of all levels, (A, 4) in px, sorted like the scores: by level, pixel, ratio.

        Raises:
            ValueError: If an image is smaller than the largest stride, or a map does not have its stride.
        """
        height, width = batch_img_metas[0]['batch_input_shape']
        strides = self.prior_generator.strides
        if width < strides[-1][0] or height < strides[-1][1]:
            raise Refusal(
                f'images must have at least {strides[-1][1]} x {strides[-1][0]} px (h x w), one pixel of the coarsest '
                f'level, got {height} x {width}'
            )
        for level, (map_hw, (stride_x, stride_y)) in enumerate(zip(map_hws, strides)):
            expected = (-(-height // stride_y), -(-width // stride_x))
            if map_hw != expected:
                raise Refusal(
                    f'level {level} has anchors of stride {stride_x} and so needs a map of (h, w) = {expected} for images '
                    f'of {height} x {width} px, got {map_hw}: make strides of the anchor generator and maps agree'
                )
        return torch.cat(self.prior_generator.grid_priors(map_hws, dtype=torch.float32, device=device))

    def refine(self, anchors: Tensor, arm_offsets: Tensor) -> Tensor:
        """Return refined anchors (N, A, 4) from regular ones (A, 4) and the ARM's offsets (N, A, 4), without a gradient.

        They are not clipped to the image, as in the authors' code.
        """
        every = anchors.expand(len(arm_offsets), -1, -1).reshape(-1, 4)
        return self.bbox_coder.decode(every, arm_offsets.detach().reshape(-1, 4)).reshape(arm_offsets.shape)

    @staticmethod
    def confidence_in_background(arm_scores: Tensor) -> Tensor:
        """Return confidences (N, A), 0 to 1, from the ARM's scores (N, A, 2), without a gradient."""
        return arm_scores.detach().softmax(-1)[..., -1]

    def _match(
        self,
        anchors: Tensor,
        valid: Tensor,
        boxes: Tensor,
        labels: Tensor,
        ignore: InstanceData | None,
        background: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return for each anchor of one image the assigner's result, its label and the offsets to its object."""
        matched = anchors.new_full((len(anchors),), IGNORED, dtype=torch.long)
        objects = InstanceData(bboxes=boxes, labels=labels)
        matched[valid] = self.assigner.assign(InstanceData(priors=anchors[valid]), objects, ignore).gt_inds
        labels = torch.cat([labels.new_tensor([background]), labels])[matched.clamp(min=NO_OBJECT)]
        offsets = torch.zeros_like(anchors)
        positive = matched > NO_OBJECT
        if positive.any():
            offsets[positive] = self.bbox_coder.encode(anchors[positive], boxes[matched[positive] - 1])
        return matched, labels, offsets

    def _multibox_loss(
        self, scores: Tensor, offsets: Tensor, matched: Tensor, labels: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of scores (N, A, C) and offsets (N, A, 4), for positives and the hardest negatives of each image."""
        positive, negative = matched > NO_OBJECT, matched == NO_OBJECT
        with torch.no_grad():
            hardness = -scores.log_softmax(-1)[..., -1]  # the loss if the anchor is background
            rank = hardness.masked_fill(~negative, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
            wanted = self.neg_pos_ratio * positive.sum(dim=1, keepdim=True)
            chosen = positive | (negative & (rank < wanted))
        num_positive = max(int(positive.sum()), 1)
        loss_cls = self.loss_cls(scores[chosen], labels[chosen], avg_factor=num_positive)
        loss_bbox = self.loss_bbox(offsets[positive], targets[positive], avg_factor=num_positive)
        return loss_cls, loss_bbox


def _check_strides(strides: Sequence[tuple[int, int]], levels: int) -> None:
    if len(strides) != levels:
        raise Refusal(
            f'in_channels has {levels} levels, anchor_generator {len(strides)} strides {strides}: give as many'
        )
    doubled = [(strides[0][0] * 2**i, strides[0][1] * 2**i) for i in range(levels)]
    if list(strides) != doubled:
        raise Refusal(
            f'strides of the anchors must double from level to level as the maps do: {doubled}, got {strides}'
        )


def _conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)


def _flatten(maps: Sequence[Tensor], channels: int) -> Tensor:
    """Return (N, A, channels) for the A anchors of all levels from maps (N, a * channels, h, w), in float32 or float64."""
    flat = [x.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, channels)) for x in maps]
    flat = torch.cat(flat, dim=1)
    return flat.float() if flat.dtype in (torch.float16, torch.bfloat16) else flat
