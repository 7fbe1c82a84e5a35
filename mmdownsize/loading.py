"""The model of a config, ready to build, its preprocessor with a downsizer, and a checkpoint's weights in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmdownsize.checkpoints import PREPROCESSOR, CheckpointError
from mmdownsize.command_line import building
from mmdownsize.configs import read_config
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers.settings import is_settings


def model_config(path: Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Return a config whose ``model`` has a ``data_preprocessor``, and make its scope the default one of this process.

    Args:
        path: The config file.
        settings: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        Refusal: If there is no such file, it is not a config, or its model has no preprocessor.
    """
    cfg = read_config(path, settings)
    model = cfg.get('model')
    if not isinstance(model, dict) or not (model.get('data_preprocessor') or cfg.get('data_preprocessor')):
        raise Refusal(f'{path} has no model.data_preprocessor: mmdownsize swap puts a downsizer into a config')
    model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    with building():
        init_default_scope(cfg.get('default_scope', 'mmengine'))
    return cfg


def build_preprocessor(cfg: Config, path: Path) -> DownsizeMixin:
    """Build the preprocessor of a config, and return the part of it that has the downsizer.

    Args:
        cfg: What :func:`model_config` returns.
        path: The config file, for the message.

    Raises:
        Refusal: If it cannot be built, or has no downsizer.
    """
    with building():
        preprocessor = MODELS.build(cfg.model.data_preprocessor)
    found = find_preprocessor(preprocessor)
    if found is None:
        raise TypeRefusal(
            f'{path} has a {type(preprocessor).__name__} and no downsizer: '
            'mmdownsize swap puts a downsizer into a config'
        )
    return found


def load_weights(
    model: nn.Module, weights: Mapping[str, Any], checkpoint: str | Path, *, others: bool = False
) -> tuple[list[str], list[str]]:
    """Load a checkpoint's weights into the model that they belong to.

    Args:
        model: The model.
        weights: The name and value of each weight. Those of the preprocessor may be missing.
        checkpoint: The name of the checkpoint, for the message.
        others: Whether there may be weights that the model does not have.

    Returns:
        The names of the preprocessor's weights that are missing, and of the weights that the model does not have.

    Raises:
        CheckpointError: If the checkpoint is another model's.
    """
    own = model.state_dict()
    # Settings of a layer, whose length is no shape, are compared when they are loaded.
    misshapen = {key for key in weights if key in own and not is_settings(key) and weights[key].shape != own[key].shape}
    inside = {key for key in weights if key.startswith(PREPROCESSOR)}  # which say themselves what does not fit
    missing, unknown = _loaded(model, weights, weights.keys() - inside - misshapen)
    absent = {key for key in missing if key.startswith(PREPROCESSOR)} - inside
    wrong = misshapen.union(key for key in missing if not key.startswith(PREPROCESSOR)) - inside
    wrong = sorted(wrong if others else wrong.union(unknown))
    if wrong:
        raise CheckpointError(
            f"{checkpoint} does not fit the config's model: {len(wrong)} of {len(own)} weights are missing, "
            f'unknown or of another shape, such as {", ".join(wrong[:3])}'
        )
    if inside:
        try:
            unknown += _loaded(model, weights, inside)[1]
        except CheckpointError as error:
            raise CheckpointError(f'{checkpoint}: {error}') from error
    return sorted(absent), unknown


def _loaded(model: nn.Module, weights: Mapping[str, Any], keys: Set[str]) -> tuple[list[str], list[str]]:
    """Load some weights; return which of the model's are missing among them, and which the model does not have."""
    some = OrderedDict((key, value) for key, value in weights.items() if key in keys)
    if hasattr(weights, '_metadata'):  # the versions of modules, by which they rename old weights
        some._metadata = weights._metadata  # type: ignore[attr-defined]
    missing, unknown = model.load_state_dict(some, strict=False)
    return list(missing), list(unknown)
