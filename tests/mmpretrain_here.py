"""mmpretrain for the tests, also where torchvision cannot be had: ``pytest.importorskip('tests.mmpretrain_here')``.

mmpretrain's packages import torchvision, for multimodal models and for transforms that nothing here uses. PyPI's torchvision
does not load beside a torch without CUDA ("operator torchvision::nms does not exist"), and while it fails to, so does
every mmengine Runner, which asks for its version: it must not be installed there. So where it is missing mmpretrain is
imported with the few names of it that the imports ask for, which are gone again afterwards.
"""

import enum
import importlib.util
import sys
from types import ModuleType


class InterpolationMode(enum.Enum):
    """As torchvision's, of which mmpretrain only looks up members when a transform is used."""

    NEAREST = 'nearest'
    BILINEAR = 'bilinear'
    BICUBIC = 'bicubic'


class RandomResizedCrop:
    """A base of one of mmpretrain's transforms."""


NAMES = {
    'torchvision': {},
    'torchvision.ops': {},
    'torchvision.ops.boxes': {},
    'torchvision.transforms': {'RandomResizedCrop': RandomResizedCrop},
    'torchvision.transforms.functional': {},
    'torchvision.transforms.transforms': {'InterpolationMode': InterpolationMode},
}


def _stand_in() -> dict[str, ModuleType]:
    modules = {name: ModuleType(name) for name in NAMES}
    for name, module in modules.items():
        vars(module).update(NAMES[name])
        parent, _, child = name.rpartition('.')
        if parent:
            setattr(modules[parent], child, module)
    return modules


if importlib.util.find_spec('mmpretrain') is None:
    raise ModuleNotFoundError(
        'mmpretrain is not installed: see requirements/mmpretrain.txt, or onedl.txt beside the forks'
    )
_missing = importlib.util.find_spec('torchvision') is None
if _missing:
    sys.modules.update(_stand_in())
try:
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=False)
except ImportError as error:  # which must not be taken for mmpretrain being absent, and skipped
    raise RuntimeError('mmpretrain is installed and cannot be imported') from error
finally:
    if _missing:
        for _name in NAMES:
            del sys.modules[_name]
