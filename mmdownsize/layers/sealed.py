"""Layers that the ``init_cfg`` of another module does not initialise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


class Sealed(nn.Module):
    """A module that :meth:`apply` does not enter.

    mmengine initialises a model with ``apply``: an ``init_cfg`` such as ``dict(type='Xavier', layer='Conv2d')`` of an outer
    module changes every convolution inside it. It would replace the zeros with which a layer starts exactly as the fixed
    layer that it replaces.
    """

    def apply(self, fn: Callable[[nn.Module], Any]) -> Sealed:
        """Call ``fn`` on this module, but not on the modules inside it."""
        fn(self)
        return self
