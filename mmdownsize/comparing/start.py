"""The weights behind the preprocessor that all arms of a seed of tools/compare.py start from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from torch import nn

from mmdownsize.checkpoints import CheckpointError, read_checkpoint
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.storage import write_whole


def write_start(cfg: Config, path: Path, checkpoint: Path | None) -> None:
    """Write the weights of the model that all arms of a seed start from: those behind the preprocessor.

    Raises:
        CheckpointError: If the checkpoint is another model's.
    """
    if path.is_file():
        return
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    set_random_seed(cfg.randomness.seed)
    model = MODELS.build(cfg.model)
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')  # or mmengine says of every weight what was done to it
    model.init_weights()
    logger.setLevel(level)
    state = behind_preprocessor(model.state_dict())
    if checkpoint is not None:
        state = load_behind_preprocessor(model, checkpoint)
    content = io.BytesIO()
    torch.save(dict(state_dict=state, meta={}), content)
    write_whole(path, content.getvalue())


def load_behind_preprocessor(model: nn.Module, checkpoint: Path) -> dict[str, torch.Tensor]:
    """Load a checkpoint's weights, but for those of its preprocessor, and return them.

    Raises:
        CheckpointError: If the checkpoint is another model's.
    """
    state = behind_preprocessor(model.state_dict())
    loaded = read_checkpoint(checkpoint)
    given = behind_preprocessor(loaded.get('state_dict', loaded))
    fitting = {key: value for key, value in given.items() if shape_of(state, key) == shape_of(given, key)}
    missing = model.load_state_dict(fitting, strict=False).missing_keys  # the model says what it can do without
    wrong = sorted((given.keys() - fitting.keys()) | set(filter(is_behind_preprocessor, missing)))
    if wrong:
        raise CheckpointError(
            f"{checkpoint} does not fit the config's model: {len(wrong)} of {len(state)} weights are missing, "
            f'unknown or of another shape, such as {", ".join(wrong[:3])}'
        )
    return given


def checkpoint_of(pattern: str | None, seed: int) -> Path | None:
    """Return a seed's own start.

    Raises:
        ValueError: If there is no such file.
    """
    if pattern is None:
        return None
    path = Path(pattern.replace('{seed}', str(seed)))
    if not path.is_file():
        raise Refusal(f'--start: no such file: {path}')
    return path


def behind_preprocessor(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights that are not the preprocessor's."""
    return {key: value for key, value in state.items() if is_behind_preprocessor(key)}


def is_behind_preprocessor(key: str) -> bool:
    """Tell whether a weight is not the preprocessor's."""
    return not key.startswith('data_preprocessor.')


def shape_of(state: Mapping[str, torch.Tensor], key: str) -> tuple[int, ...] | None:
    """Return the shape of a weight, None if there is no such."""
    return tuple(state[key].shape) if key in state else None
