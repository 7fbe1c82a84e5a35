"""Fitting a downsizer to a finished segmentor without labels: the prediction shall stay what it is at full resolution."""

from mmdownsize.models.self_distilled.memory import PredictionMemory
from mmdownsize.models.self_distilled.segmentor import SelfDistilledEncoderDecoder

__all__ = ['PredictionMemory', 'SelfDistilledEncoderDecoder']
