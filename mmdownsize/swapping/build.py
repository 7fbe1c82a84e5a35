"""A config's model with random weights, that predicts something all the same. Nothing is downloaded."""

from __future__ import annotations

import copy
import random

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model.utils import revert_sync_batchnorm
from torch import nn

from mmdownsize.configs import in_one_process, nodes, without_downloads
from mmdownsize.registry import MODELS

KEPT = 10  # predictions an image


def seed() -> None:
    """Start every generator afresh: samplers and dropout draw the same in every model."""
    random.seed(0)
    np.random.seed(0)  # mmdet's samplers use the global one
    torch.manual_seed(0)


def build(cfg: Config) -> nn.Module:
    """Return the model of a config, with random weights, the same in every call. It keeps predictions of any score."""
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    # A model with a set number of proposals predicts for each of them.
    kept = max([KEPT, *(node['num_proposals'] for node in nodes(settings) if 'num_proposals' in node)])
    for node in nodes(settings):
        # With random weights every score is low: without this there would be no predictions to look at.
        for key in ('score_thr', 'conf_thr'):
            if isinstance(node.get(key), int | float):
                node[key] = 0.0
        if isinstance(node.get('max_per_img'), int):
            node['max_per_img'] = min(node['max_per_img'], kept)
    in_one_process(settings)
    without_downloads(settings)
    hub = MessageHub.get_current_instance()
    for name in ('iter', 'epoch'):
        hub.update_info(name, 0)
        hub.update_info(f'max_{name}s', 100)
    seed()
    model = revert_sync_batchnorm(MODELS.build(settings))
    model.init_weights()
    return model
