"""A hook that trains a part of a model and freezes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import HOOKS


@HOOKS.register_module()
class TrainOnlyHook(Hook):
    """Train only the named parts of a model; all other parameters and buffers keep their values.

    The other parts get no gradient and run in evaluation mode: normalisation statistics do not change, and dropout is off.
    By default only the downsizer is trained, some 3,000 parameters instead of millions.

    Args:
        parts: Dotted names of modules, such as ``'data_preprocessor'`` and ``'decode_head'``.

    Raises:
        ValueError: When the training begins: if the model has no module of that name, if no part has a trainable parameter, or
            if a distributed wrapper expects a gradient for every parameter.
    """

    def __init__(self, parts: Sequence[str] = ('data_preprocessor',)) -> None:
        self.parts = (parts,) if isinstance(parts, str) else tuple(parts)
        self._rest: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Freeze the other parts."""
        model = runner.model
        if is_model_wrapper(model):
            if not getattr(model, 'find_unused_parameters', False):
                raise Refusal(
                    'TrainOnlyHook freezes parameters, so a distributed training needs find_unused_parameters=True '
                    'in the config'
                )
            model = model.module
        known = dict(model.named_modules())
        unknown = [part for part in self.parts if part not in known]
        if unknown:
            top = ', '.join(name for name, _ in model.named_children())
            raise Refusal(f'TrainOnlyHook: no module {", ".join(unknown)} in {type(model).__name__}; it has {top}')
        trained = {parameter for part in self.parts for parameter in known[part].parameters()}
        if not any(parameter.requires_grad for parameter in trained):
            raise Refusal(
                f'TrainOnlyHook: nothing to train in {", ".join(self.parts)}: it has no trainable parameter. '
                'Name other parts, or use a trainable downsizer'
            )
        for parameter in set(model.parameters()) - trained:
            parameter.requires_grad_(False)
        inside = {module for part in self.parts for module in known[part].modules()}
        self._rest = [module for module in known.values() if module not in inside]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Put the other parts into evaluation mode: after each validation the loop calls ``model.train()``."""
        for module in self._rest:
            module.training = False  # not .eval(), which would also change trained parts inside
