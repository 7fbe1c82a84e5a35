"""A training that is killed, in a module of its own because its processes import it."""

import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    """Kill the last process as a scheduler or a power cut does, before it begins an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and get_rank() == runner.world_size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
