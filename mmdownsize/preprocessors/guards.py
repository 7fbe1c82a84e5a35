"""Settings under which a downsizer would not learn, or processes would wait for ever, although nothing says so.

mmengine and mmdet put modules around models and preprocessors. Some never call the preprocessor that they hold, some do not
initialise it, some do not reduce its gradients. The training runs, and the downsizer learns nothing, or something else on every
process. So such a holder raises an error when it takes hold of a preprocessor with a downsizer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from mmengine.model import BaseTTAModel
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from mmdownsize.preprocessors.limits import limited_head
from mmdownsize.preprocessors.misfits import explain_misfits
from mmdownsize.preprocessors.views import Views
from mmdownsize.refusal import Refusal

_SHARDED = (
    'mmengine calls the data preprocessor before the sharded model, which gathers parameters and reduces gradients in its own '
    'forward only; train with MMDistributedDataParallel, which is the default'
)


@dataclass(frozen=True)
class HolderRule:
    """Why a class of modules may not hold a preprocessor with a downsizer.

    Attributes:
        reason: What would go wrong, and the way out.
        attributes: Names of the attributes that may not hold it; empty: none may.
        parameters: Whether the rule holds only for a downsizer with parameters.
    """

    reason: str
    attributes: tuple[str, ...] = ()
    parameters: bool = True


# By the name of the class or of one it derives from: few installations have all of them.
HOLDERS = {
    'FullyShardedDataParallel': HolderRule(_SHARDED),
    'MMSeparateDistributedDataParallel': HolderRule(
        'it wraps every part of a model on its own, and neither detectors nor segmentors work with wrapped heads; train with '
        'MMDistributedDataParallel, which is the default'
    ),
    'MultiBranchDataPreprocessor': HolderRule(
        'it does not hand on init_weights: an init_cfg of the model would overwrite the start of the downsizer, and its own '
        "would be ignored; say type='mmdownsize.MultiBranchDownsizePreprocessor' in its place"
    ),
    'SemiBaseDetector': HolderRule(
        "the student's and the teacher's data preprocessors are never called: leave theirs as they were and put the downsizer "
        "into the outer one, data_preprocessor=dict(type='mmdownsize.MultiBranchDownsizePreprocessor', data_preprocessor=...)",
        attributes=('student', 'teacher'),
        parameters=False,
    ),
    'BaseMOTModel': HolderRule(
        'video models want a TrackDataPreprocessor, whose clips (T, C, H, W) have no counterpart here yet; '
        'resize in the pipeline',
        parameters=False,
    ),
    'BoxInst': HolderRule(
        'it wants a BoxInstDataPreprocessor, which makes the masks that it is trained with and has no counterpart here yet; '
        'resize in the pipeline',
        parameters=False,
    ),
}


@cache
def _rule_for(kind: type[nn.Module]) -> tuple[str, HolderRule] | None:
    if getattr(kind, 'holds_downsizers', False):
        return None
    return next(((base.__name__, HOLDERS[base.__name__]) for base in kind.__mro__ if base.__name__ in HOLDERS), None)


@cache
def watch_holders(preprocessors: type) -> None:
    """Have every module in :data:`HOLDERS` raise a ``Refusal`` when it takes hold of such a preprocessor.

    A model of test-time augmentation has it compare the sizes of views: :class:`mmdownsize.preprocessors.views.Views`.
    A model that may hold one learns to say which sizes it takes (:mod:`mmdownsize.preprocessors.misfits`), and the preprocessor
    which limits the model's heads have (:mod:`mmdownsize.preprocessors.limits`).

    Uses PyTorch's hook on the registration of submodules, which holds for the whole process; a second call adds nothing. A
    class with ``holds_downsizers = True`` is exempt.

    Args:
        preprocessors: The class of the preprocessors. They have a ``downsizer`` and ``views``.
    """

    def check(holder: nn.Module, attribute: str, held: nn.Module | None) -> None:
        if held is None:
            return
        if isinstance(holder, BaseTTAModel):
            for module in held.modules():
                if isinstance(module, preprocessors):
                    module.views = Views()
        _introduce(holder, attribute, held, preprocessors)
        found = _rule_for(type(holder))
        if found is None:
            return
        name, rule = found
        if rule.attributes and attribute not in rule.attributes:
            return
        for module in held.modules():
            if isinstance(module, preprocessors) and not (rule.parameters and not list(module.downsizer.parameters())):
                raise Refusal(f'{name} cannot hold {type(module).__name__}: {rule.reason}')

    register_module_module_registration_hook(check)


def _introduce(holder: nn.Module, attribute: str, held: nn.Module, preprocessors: type) -> None:
    """Let a model and its preprocessor with a downsizer know of each other what matters to both."""
    own = held if attribute == 'data_preprocessor' else holder._modules.get('data_preprocessor')
    ours = [part for part in own.modules() if isinstance(part, preprocessors)] if own is not None else []
    if not ours:
        return
    explain_misfits(holder)
    head = limited_head(holder if own is held else held)
    for preprocessor in ours if head else ():
        preprocessor.heed(head)


def check_no_deepspeed(downsizer: nn.Module) -> None:
    """Check that a downsizer with parameters is not built under DeepSpeed, whose engine bypasses PyTorch's hooks.

    Raises:
        ValueError: If ``DeepSpeedStrategy`` has set up the processes.
    """
    comm = getattr(sys.modules.get('deepspeed'), 'comm', None)
    if comm is not None and comm.is_initialized() and list(downsizer.parameters()):
        raise Refusal(f'DeepSpeed cannot train a downsizer: {_SHARDED}')


def check_statistics(downsizer: nn.Module, calls: int) -> None:
    """Check that all processes wait for each other equally often.

    Args:
        downsizer: The downsizer.
        calls: How often this batch calls it: once for each size of its images.

    Raises:
        ValueError: If it is called more than once and has a SyncBatchNorm that is trained.
    """
    if calls > 1 and any(part.training and type(part).__name__ == 'SyncBatchNorm' for part in downsizer.modules()):
        raise Refusal(
            f'SyncBatchNorm in the downsizer: this batch has images of {calls} sizes, each a call of its own, and processes '
            'with other numbers of sizes would wait for it for ever. Give all images one size in the pipeline, or leave '
            'out sync_bn'
        )


def check_gradient(downsizer: nn.Module, images: Tensor | Sequence[Tensor]) -> None:
    """Check that images to train on carry the gradient of the downsizer.

    Args:
        downsizer: The downsizer.
        images: What the preprocessor returns to a caller, seen where the caller is: mmengine's activation checkpointing turns
            gradients off inside the call.

    Raises:
        ValueError: If the downsizer is trainable and the caller records gradients, and the images have none.
    """
    trainable = any(parameter.requires_grad for parameter in downsizer.parameters())
    if trainable and torch.is_grad_enabled() and not any(image.requires_grad for image in images):
        raise Refusal(
            'the downsizer is trainable and its output carries no gradient. activation_checkpointing of data_preprocessor does '
            'that: it needs an input with a gradient, which an image does not have. Leave data_preprocessor out of it: '
            'DownsizeNet and ImportanceResizer keep no feature maps anyway'
        )
