"""Compare resizers before the same model: arms, starting weights, runs, statistics and reports."""

METRICS = ('mIoU', 'coco/bbox_mAP', 'pascal_voc/mAP')  # the first one that a run reports, unless another is asked for
