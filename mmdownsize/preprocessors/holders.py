"""Who may hold a data preprocessor with a downsizer.

mmengine and mmdet put modules around models and preprocessors that never call the preprocessor they are given, hand nothing on to
it, or leave its gradients alone. None of them says so: the training runs and the downsizer learns nothing, or something else on
every process. They are refused when they take hold of it, by PyTorch's hook on the registration of submodules.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from mmdownsize.refusal import Refusal

_SHARDED = (
    'mmengine calls the data preprocessor before the sharded model, which gathers parameters and reduces gradients in its own '
    'forward only; train with MMDistributedDataParallel, which is the default'
)


@dataclass(frozen=True)
class _Refusal:
    """Why a class of modules may not hold a preprocessor with a downsizer.

    Attributes:
        reason: What would go wrong, and the way out.
        attributes: Names under which it may not; empty: under any.
        parameters: Whether only a downsizer with parameters is concerned.
    """

    reason: str
    attributes: tuple[str, ...] = ()
    parameters: bool = True


# By the name of the class or of one it derives from: few installations have all of them.
REFUSED = {
    'FullyShardedDataParallel': _Refusal(_SHARDED),
    'MMSeparateDistributedDataParallel': _Refusal(
        'it wraps every part of a model on its own, and neither detectors nor segmentors work with wrapped heads; train with '
        'MMDistributedDataParallel, which is the default'
    ),
    'MultiBranchDataPreprocessor': _Refusal(
        'it does not hand on init_weights: an init_cfg of the model would overwrite the start of the downsizer, and its own '
        "would be ignored; say type='mmdownsize.MultiBranchDownsizePreprocessor' in its place"
    ),
    'SemiBaseDetector': _Refusal(
        "the student's and the teacher's data preprocessors are never called: leave theirs as they were and put the downsizer "
        "into the outer one, data_preprocessor=dict(type='mmdownsize.MultiBranchDownsizePreprocessor', data_preprocessor=...)",
        attributes=('student', 'teacher'),
        parameters=False,
    ),
    'BaseMOTModel': _Refusal(
        'video models want a TrackDataPreprocessor, whose clips (T, C, H, W) have no counterpart here yet; '
        'resize in the pipeline',
        parameters=False,
    ),
    'BoxInst': _Refusal(
        'it wants a BoxInstDataPreprocessor, which makes the masks that it is trained with and has no counterpart here yet; '
        'resize in the pipeline',
        parameters=False,
    ),
}


@cache
def _refusal(kind: type[nn.Module]) -> tuple[str, _Refusal] | None:
    if getattr(kind, 'holds_downsizers', False):
        return None
    return next(((base.__name__, REFUSED[base.__name__]) for base in kind.__mro__ if base.__name__ in REFUSED), None)


def guard(preprocessors: type[nn.Module]) -> None:
    """Have every module in :data:`REFUSED` raise a ValueError when it takes hold of such a preprocessor.

    A class that says ``holds_downsizers = True`` is exempt.

    Args:
        preprocessors: The class of preprocessors; they have a ``downsizer``.
    """

    def check(holder: nn.Module, attribute: str, held: nn.Module | None) -> None:
        found = _refusal(type(holder))
        if found is None or held is None:
            return
        name, refusal = found
        if refusal.attributes and attribute not in refusal.attributes:
            return
        for module in held.modules():
            if isinstance(module, preprocessors) and not (
                refusal.parameters and not list(module.downsizer.parameters())
            ):
                raise Refusal(f'{name} cannot hold {type(module).__name__}: {refusal.reason}')

    register_module_module_registration_hook(check)


def refuse_deepspeed() -> None:
    """Refuse to be built under DeepSpeed, whose engine takes hold of a model past PyTorch's hooks.

    Raises:
        ValueError: If ``DeepSpeedStrategy`` has set up the processes.
    """
    comm = getattr(sys.modules.get('deepspeed'), 'comm', None)
    if comm is not None and comm.is_initialized():
        raise Refusal(f'DeepSpeed cannot train a downsizer: {_SHARDED}')
