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

# In these `training` also decides what a loss is computed from: FCOS multiplies its boxes by their stride only outside of
# training, and Deformable DETR hands the encoder's boxes to its loss only inside. Their norms and dropouts are other modules.
OF_LOSSES = ('mmdet.models.', 'mmseg.models.')
# But these are random in training, or change by themselves.
LIVELY = ('mmdet.models.layers.dropblock', 'mmdet.models.utils.vlfuse_helper', 'mmseg.models.decode_heads.ema_head')


def is_of_losses(module: nn.Module) -> bool:
    """Return whether a frozen module has to be in training mode, because the loss is another one in evaluation mode."""
    origins = [cls.__module__ for cls in type(module).__mro__]
    return any(origin.startswith(OF_LOSSES) for origin in origins) and not any(origin in LIVELY for origin in origins)


@HOOKS.register_module()
class TrainOnlyHook(Hook):
    """Train only the named parts of a model; all other parameters and buffers keep their values.

    The other parts get no gradient. Their norms and dropouts run in evaluation mode: statistics do not change, nothing is random.
    The models and heads of mmdet and mmseg stay in training mode, which decides what their losses are computed from; but not in a
    model with ``frozen_parts_predict``, which compares predictions or features.
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
        self._own_loss = True

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
        self._own_loss = not getattr(model, 'frozen_parts_predict', False)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Put the other parts into evaluation mode: after each validation the loop calls ``model.train()``."""
        for module in self._rest:
            # Not .eval(), which would also change trained parts inside.
            module.training = self._own_loss and is_of_losses(module)
