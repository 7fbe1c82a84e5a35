"""Train a part of a model and leave the rest alone."""

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
    """Train the named parts of a model; everything else stays exactly as the checkpoint has it.

    The rest gets no gradients and runs in evaluation mode, so that normalisation statistics do not drift and dropout
    is off. With the default a downsizer is fitted to a finished model: some 3,000 parameters instead of millions.

    Args:
        parts: Dotted names of modules, such as ``'data_preprocessor'`` and ``'decode_head'``.

    Raises:
        ValueError: When the training begins, if a name is not a module of the model, no part has anything to train, or
            a distributed wrapper waits for gradients that will not come.
    """

    def __init__(self, parts: Sequence[str] = ('data_preprocessor',)) -> None:
        self.parts = (parts,) if isinstance(parts, str) else tuple(parts)
        self._rest: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Freeze the rest."""
        model = runner.model
        if is_model_wrapper(model):
            if not getattr(model, 'find_unused_parameters', False):
                raise Refusal(
                    'TrainOnlyHook takes parameters out of the training: '
                    'a distributed one needs find_unused_parameters=True in the config'
                )
            model = model.module
        known = dict(model.named_modules())
        unknown = [part for part in self.parts if part not in known]
        if unknown:
            top = ', '.join(name for name, _ in model.named_children())
            raise Refusal(f'TrainOnlyHook: no module {", ".join(unknown)} in {type(model).__name__}; it has {top}')
        trained = {parameter for part in self.parts for parameter in known[part].parameters()}
        if not any(parameter.requires_grad for parameter in trained):
            raise Refusal(f'TrainOnlyHook: nothing to train in {", ".join(self.parts)}')
        for parameter in set(model.parameters()) - trained:
            parameter.requires_grad_(False)
        inside = {module for part in self.parts for module in known[part].modules()}
        self._rest = [module for module in known.values() if module not in inside]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the rest in evaluation mode; a loop puts the whole model into training mode after every validation."""
        for module in self._rest:
            module.training = False  # not .eval(), which would reach the trained parts inside
