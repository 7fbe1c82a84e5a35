"""The OpenMMLab adapters: data preprocessors that resize with a learned downsizer before they normalise.

Importing them lets ``torch.load`` read mmengine's checkpoints in this process.
"""

from mmdownsize.checkpoints import allow_mmengine_checkpoints

allow_mmengine_checkpoints()
