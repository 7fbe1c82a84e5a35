"""Made-up images with annotations, of the sizes and kinds that a config of mmdet or mmsegmentation asks for."""

from mmdownsize.made_up.batch import made_up_batch
from mmdownsize.made_up.kinds import Kinds, kinds_of

__all__ = ['Kinds', 'kinds_of', 'made_up_batch']
