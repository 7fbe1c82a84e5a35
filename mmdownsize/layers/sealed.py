"""Layers whose parameters only they themselves initialise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


class Sealed(nn.Module):
    """A module that :meth:`apply` does not enter.

    mmengine initialises a model by ``apply``-ing an ``init_cfg`` such as ``dict(type='Xavier', layer='Conv2d')`` of any
    module around to every convolution it finds. That would put random numbers in place of the zeros that make a layer
    start exactly as the one it replaces.
    """

    def apply(self, fn: Callable[[nn.Module], Any]) -> Sealed:
        """Call ``fn`` on this module, not on those inside."""
        fn(self)
        return self
