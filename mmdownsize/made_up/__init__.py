"""Made-up images with annotations, of the sizes and kinds that a config of mmdet or mmsegmentation asks for."""

from mmdownsize.made_up.batch import made_up_batch
from mmdownsize.made_up.kinds import Kinds, channels_of, kinds_of
from mmdownsize.made_up.sizes import delivered_hw

__all__ = ['Kinds', 'channels_of', 'delivered_hw', 'kinds_of', 'made_up_batch']
