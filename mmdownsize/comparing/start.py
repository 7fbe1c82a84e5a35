"""The weights that all arms of a seed start from: those of the model without its preprocessor."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from torch import nn

from mmdownsize.checkpoints import PREPROCESSOR, BrokenCheckpoint, read_checkpoint, weights_of, without
from mmdownsize.command_line import building
from mmdownsize.loading import load_weights
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.storage import write_whole


def write_start(cfg: Config, path: Path, checkpoint: Path | None) -> None:
    """Write the weights that all arms of a seed start from, unless the file exists and is whole.

    Args:
        cfg: Of any arm, with ``randomness.seed``.
        path: The file.
        checkpoint: Where the weights come from; None: the seed draws them.

    Raises:
        CheckpointError: If the checkpoint is another model's.
    """
    if path.is_file() and _is_whole(path):
        return
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    set_random_seed(cfg.randomness.seed)
    with building():
        model = MODELS.build(cfg.model)
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')  # or mmengine says of every weight what was done to it
    model.init_weights()
    logger.setLevel(level)
    state = without(model.state_dict(), PREPROCESSOR)
    if checkpoint is not None:
        state = load_without_preprocessor(model, checkpoint)
    content = io.BytesIO()
    torch.save(dict(state_dict=state, meta={}), content)
    write_whole(path, content.getvalue())


def load_without_preprocessor(model: nn.Module, checkpoint: Path) -> dict[str, torch.Tensor]:
    """Load a checkpoint's weights, except those of its preprocessor, and return them.

    Raises:
        CheckpointError: If the checkpoint is another model's.
    """
    given = without(weights_of(read_checkpoint(checkpoint)), PREPROCESSOR)
    load_weights(model, given, checkpoint)
    return given


def checkpoint_of(pattern: str | None, seed: int) -> Path | None:
    """Return a seed's own start: the pattern, with the seed for ``'{seed}'``.

    Raises:
        Refusal: If there is no such file.
    """
    if pattern is None:
        return None
    path = Path(pattern.replace('{seed}', str(seed)))
    if not path.is_file():
        raise Refusal(f'--start: no such file: {path}')
    return path


def _is_whole(path: Path) -> bool:
    try:
        read_checkpoint(path)
    except BrokenCheckpoint:
        return False
    return True
