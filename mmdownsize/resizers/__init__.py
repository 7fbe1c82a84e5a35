"""Image resizers: modules that map images (N, C, H, W) and a size (h, w) to images (N, C, h, w).

They need torch and nothing else.
"""

from mmdownsize.resizers.base import BaseResizer
from mmdownsize.resizers.downsize_net import DownsizeNet
from mmdownsize.resizers.fixed import FixedResizer
from mmdownsize.resizers.importance import ImportanceResizer
from mmdownsize.resizers.learned_resizer import LearnedResizer
from mmdownsize.resizers.muller import MullerResizer
from mmdownsize.resizers.trainable import TrainableResizer

__all__ = [
    'BaseResizer',
    'DownsizeNet',
    'FixedResizer',
    'ImportanceResizer',
    'LearnedResizer',
    'MullerResizer',
    'TrainableResizer',
]
