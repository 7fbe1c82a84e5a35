"""Whether the weights of a checkpoint are those of the downsizer at hand: mmengine only logs what is not, and goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmdownsize.checkpoints import CheckpointError, read_checkpoint
from mmdownsize.resizers.io import differences


def check_fits(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Check weights before they are loaded.

    Args:
        given: By name, as in the checkpoint.
        expected: By name, as the downsizer has them.
        source: Where they come from, for the message.

    Raises:
        CheckpointError: If one is missing, unknown, of another shape, or not finite.
    """
    wrong = differences(given, expected)
    if wrong:
        more = f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''
        raise CheckpointError(
            f'{source} does not fit the downsizer: {"; ".join(wrong[:3])}{more}. '
            'Give the downsizer the settings that it was trained with'
        )


def check_pretrained(init_cfg: Any, module: nn.Module) -> None:
    """Check the checkpoints that an ``init_cfg`` names.

    Args:
        init_cfg: A config of mmengine's initialisation, or a list of them.
        module: What is initialised by it.

    Raises:
        CheckpointError: If one does not hold such a module.
    """
    for config in init_cfg if isinstance(init_cfg, list) else [init_cfg]:
        if isinstance(config, Mapping) and config.get('type') == 'Pretrained':
            path = str(config.get('checkpoint'))
            local = '://' not in path
            checkpoint = read_checkpoint(path) if local else CheckpointLoader.load_checkpoint(path, map_location='cpu')
            prefix = f'{config["prefix"].rstrip(".")}.' if config.get('prefix') else ''
            state = checkpoint.get('state_dict', checkpoint)
            given = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            check_fits(given, module.state_dict(), f'{path} (prefix={config.get("prefix")!r})')
