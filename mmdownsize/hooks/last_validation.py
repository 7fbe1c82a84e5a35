"""The validation that a training still owes when it is resumed at its end."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdownsize.registry import HOOKS


@HOOKS.register_module()
class LastValidationHook(Hook):
    """Validate the last checkpoint of a training that is resumed at its end.

    mmengine saves the last checkpoint, then validates. If the validation fails, a resumed training has nothing left to do, and
    would end without it.
    """

    def before_train(self, runner: Runner) -> None:
        """Note where this process begins."""
        self._first_iteration = runner.iter

    def after_train(self, runner: Runner) -> None:
        """Validate if this process has trained nothing."""
        if runner.val_loop is not None and runner.iter == self._first_iteration:
            runner.logger.info('The training was at its end already: its last checkpoint is validated')
            runner.val_loop.run()
