# mmdet.py for schedules that count iterations: one checkpoint at the end, a line of log every 50.
_base_ = './mmdet.py'

default_hooks = dict(
    logger=dict(interval=50, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=10**9, save_last=True),
)
log_processor = dict(window_size=50, by_epoch=False)
