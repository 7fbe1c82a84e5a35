"""Settings that decide what trained weights compute: kept with the weights in a state dict, and compared when they are loaded."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmdownsize import notices
from mmdownsize.ops.kernels import preferred_name
from mmdownsize.refusal import Refusal

KEY = '_extra_state'  # nn.Module's name in a state dict for what is neither a parameter nor a buffer


def plain(value: Any) -> Any:
    """Return a setting as a module holds it: lists of configs and JSON are tuples, a kernel has one name."""
    if isinstance(value, list):
        return tuple(value)
    return preferred_name(value) if isinstance(value, str) else value


def is_settings(key: str) -> bool:
    """Return whether a name in a state dict is that of settings, not of a weight."""
    return key.rpartition('.')[2] == KEY


class KeepsSettings(nn.Module):
    """A module whose state dict holds the settings without which its weights mean something else.

    They are a tensor: the characters of a JSON object, as uint8. Whatever copies, averages, casts or counts the tensors of a
    state dict takes them along, and ``torch.load(weights_only=True)`` reads them. A subclass writes :meth:`settings`.
    """

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide what the weights compute, by the names of the constructor's arguments."""
        raise NotImplementedError

    def get_extra_state(self) -> Tensor:
        """Return the settings for a state dict."""
        return torch.tensor(list(json.dumps(self.settings(), sort_keys=True).encode('ascii')), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Change nothing: the settings of a state dict were found to be this module's, before any weight was loaded."""

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        key = prefix + KEY
        there = any(name.startswith(prefix) for name in state_dict)
        if key in state_dict:
            wrong = differing(state_dict[key], self)
            if wrong:
                raise Refusal(
                    f'the weights do not fit this {type(self).__name__}: {"; ".join(wrong)}. Build it with the settings that '
                    'they were trained with'
                )
        elif there:
            notices.warn(
                f'these weights of a {type(self).__name__} come without its settings, as earlier versions saved them: nobody can '
                'check that they are the same here'
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if there and key in missing_keys:
            missing_keys.remove(key)


def differing(saved: Any, module: KeepsSettings) -> list[str]:
    """Return how the settings of a state dict differ from a module's, a line each.

    Args:
        saved: What the state dict has under :data:`KEY`. A setting that it lacks is younger than it, and had its default.
        module: The module.
    """
    try:
        given = json.loads(bytes(saved.to('cpu', torch.uint8).tolist()))
        given = {name: plain(value) for name, value in given.items()}
    except (AttributeError, TypeError, ValueError) as error:
        return [f'its settings cannot be read ({error})']
    own = {name: plain(value) for name, value in module.settings().items()}
    defaults = {p.name: p.default for p in inspect.signature(type(module).__init__).parameters.values()}
    unknown = given.keys() - own.keys() - defaults.keys()
    found = [f'{name}={given[name]!r} is a setting of another version' for name in unknown]
    for name, value in own.items():
        before = given[name] if name in given else defaults.get(name)
        if before != value:
            found.append(f'{name}={before!r} in the weights, {value!r} here')
    return sorted(found)


def differences_of_settings(state: Mapping[str, Any], module: nn.Module) -> list[str]:
    """Return how the settings in a module's state dict differ from those of its parts, a line each."""
    found = []
    for name, part in module.named_modules():
        key = f'{name}.{KEY}' if name else KEY
        if isinstance(part, KeepsSettings) and key in state:
            found += differing(state[key], part)
    return found
