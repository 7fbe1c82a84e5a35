"""Where the downsizer is: in a model, and in a checkpoint that is loaded into another model.

A checkpoint names weights by the modules around them. The preprocessor of a semi-supervised detector is inside another one: its
downsizer is ``data_preprocessor.data_preprocessor.downsizer``. The student alone, as a plain detector, has
``data_preprocessor.downsizer``. PyTorch and mmengine leave out weights that they find no module for, and the downsizer would
stay as it starts. So a model with a downsizer finds its weights by the end of their names.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache, partial
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from mmdownsize.checkpoints import CheckpointError, places_of_downsizers

_MARK = '_holds_a_downsizer'


@cache
def watch_holders(preprocessors: type) -> None:
    """Have every module that takes hold of such a preprocessor, or of its holder, find the downsizer's weights by :func:`place`.

    Uses PyTorch's hook on the registration of submodules, which holds for the whole process; a second call adds nothing.

    Args:
        preprocessors: The class of the preprocessors. They have a ``downsizer``.
    """

    def follow(holder: nn.Module, attribute: str, held: nn.Module | None) -> None:
        # In vars(): FSDP's getattr asks the module inside, which it does not have yet.
        if held is not None and (isinstance(held, preprocessors) or _MARK in vars(held)) and _MARK not in vars(holder):
            setattr(holder, _MARK, True)
            holder._register_load_state_dict_pre_hook(partial(place, preprocessors), with_module=True)

    register_module_module_registration_hook(follow)


def place(
    preprocessors: type, module: nn.Module, weights: MutableMapping[str, Any], prefix: str, *_: Any, **__: Any
) -> None:
    """Rename a downsizer's weights, before they are loaded, to what the module calls them.

    Args:
        preprocessors: The class of the preprocessors. They have a ``downsizer``.
        module: The module that they are loaded into.
        weights: A state dict. It is changed in place, which is safe: PyTorch and mmengine pass a copy.
        prefix: What the names of the module's weights begin with. Only the outermost module, without any, does something.

    Raises:
        CheckpointError: If there are several downsizers, and none of them is where the module has its own.
    """
    if prefix:
        return
    parts = module.named_modules()
    holders = [(name, part) for name, part in parts if isinstance(part, preprocessors) and part.downsizer.state_dict()]
    places = [f'{name}.downsizer.' if name else 'downsizer.' for name, _ in holders]
    found = places_of_downsizers(weights)
    if not places or not found or any(key.startswith(tuple(places)) for key in weights):
        return
    if len(found) > 1 or len(places) > 1:
        raise CheckpointError(
            f'the checkpoint has {_named(found)}, the model has {_named(places)}: rename the weights of the checkpoint to the '
            'place that they are for'
        )
    for key in [key for key in weights if key.startswith(found[0])]:
        weights[places[0] + key.removeprefix(found[0])] = weights.pop(key)


def _named(places: list[str]) -> str:
    return ' and '.join(f'{place}*' for place in places)
