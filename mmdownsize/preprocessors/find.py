"""Finds the preprocessor with the downsizer in a model, however deep it is."""

from __future__ import annotations

from torch import nn

from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal


def find_preprocessor(module: nn.Module) -> DownsizeMixin | None:
    """Return the preprocessor with a downsizer among a module and its parts; None if there is none.

    Args:
        module: A model or a preprocessor, also one inside a distributed wrapper.

    Raises:
        Refusal: If there are several: nobody knows which one is meant.
    """
    found = {name: part for name, part in module.named_modules() if isinstance(part, DownsizeMixin)}
    if len(found) > 1:
        raise Refusal(
            f'the model has {len(found)} preprocessors with a downsizer, {", ".join(found)}: only one is supported here'
        )
    return next(iter(found.values()), None)
