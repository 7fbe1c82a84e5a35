"""A validation that fails, in a module of its own because processes import it."""

from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DyingHook(Hook):
    """Fail in the last validation for as long as a file is there."""

    def __init__(self, while_there):
        self.while_there = Path(while_there)

    def before_val_epoch(self, runner):
        if runner.epoch == runner.max_epochs and self.while_there.exists():
            raise KeyError('info')
