"""A downsizer that is trained and gets no gradient is said to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import unserializable_hook

from mmdownsize.notices import warn

BATCHES = 20  # without a gradient, before that is said


class GradientWatch:
    """Warns once if no parameter of a trainable downsizer has had a gradient other than 0 in :data:`BATCHES` batches.

    PyTorch's hooks on the parameters see the gradients: optimizers clear them before the next batch comes. What they see stays
    on the device and is read once in so many batches.
    """

    def __init__(self) -> None:
        self._watched: set[int] = set()
        self._batches = 0
        self._any: Tensor | None = None
        self._warned = False

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientWatch:
        """Return a new one: a copied model has parameters of its own, without hooks."""
        return GradientWatch()

    def __reduce__(self) -> tuple[type[GradientWatch], tuple[()]]:
        """Pickle a new one, for the same reason."""
        return GradientWatch, ()

    @torch.compiler.disable
    def before_batch(self, downsizer: nn.Module) -> None:
        """Count a batch that is trained on, and look back at those before it."""
        trainable = [parameter for parameter in downsizer.parameters() if parameter.requires_grad]
        if self._warned or not trainable or not torch.is_grad_enabled():
            return
        if self._batches == BATCHES:
            if self._any is None or not self._any.item():
                self._warned = True
                warn(
                    f'the downsizer, {type(downsizer).__name__}, is trainable and has had no gradient in {BATCHES} batches: it '
                    'learns nothing. The loss is constant or does not depend on the images: look at loss and grad_norm in the '
                    'log, or say frozen=True if the downsizer is to stay as it is'
                )
            self._batches, self._any = 0, None
        self._batches += 1
        for parameter in trainable:
            if id(parameter) not in self._watched:
                self._watched.add(id(parameter))
                parameter.register_hook(self._note)

    @unserializable_hook
    def _note(self, gradient: Tensor) -> None:
        found = (gradient.detach() != 0).any()
        self._any = found if self._any is None else self._any.to(found.device) | found
