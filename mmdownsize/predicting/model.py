"""A finished model of mmdet or mmsegmentation with its checkpoint, and the names and colours of its classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import CheckpointLoader
from torch import nn

from mmdownsize.checkpoints import CheckpointError, guard_checkpoints, places_of_downsizers, weights_of
from mmdownsize.command_line import building
from mmdownsize.configs import in_one_process, name_of, without_downloads
from mmdownsize.loading import load_weights
from mmdownsize.notices import warn
from mmdownsize.pipelines.walk import chain_of
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

SCOPES = ('mmdet', 'mmseg')


@dataclass(frozen=True)
class Predictor:
    """A model that is ready to predict, and what its predictions are called.

    Attributes:
        model: The model, in evaluation mode.
        pipeline: From the path of an image file to the model's input.
        classes: Names of the classes; empty where neither the checkpoint nor the config has any.
        palette: A colour (red, green, blue) in 0..255 for each class.
    """

    model: nn.Module
    pipeline: Compose
    classes: Sequence[str]
    palette: Sequence[tuple[int, int, int]]

    def predict(self, path: str) -> Any:
        """Return the data sample with the prediction of an image file, in original pixels, on the CPU."""
        packed = self.pipeline(dict(img_path=path, img_id=0))
        with torch.no_grad():
            (sample,) = self.model.test_step(pseudo_collate([packed]))
        return sample.cpu()


def load_predictor(cfg: Config, config: str, checkpoint: str) -> Predictor:
    """Build a config's model, and load its checkpoint.

    Args:
        cfg: The config.
        config: Its name, for messages.
        checkpoint: File or address of the checkpoint.

    Raises:
        Refusal: If the config cannot be built or has no pipeline of tests, or the checkpoint is missing or another model's.
    """
    if cfg.get('default_scope') not in SCOPES or not cfg.get('model'):
        raise Refusal(f'{config} is no config of mmdet or mmsegmentation: default_scope={cfg.get("default_scope")!r}')
    guard_checkpoints()
    found = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    settings = copy.deepcopy(cfg.model)
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    in_one_process(settings)
    without_downloads(settings)
    with building():
        init_default_scope(cfg.default_scope)
        model = revert_sync_batchnorm(MODELS.build(settings))
        pipeline = Compose(_steps(cfg, config))
    absent, unknown = load_weights(model, weights_of(found), checkpoint, others=True)
    downsizers = places_of_downsizers(dict.fromkeys(unknown))
    if downsizers:
        raise CheckpointError(
            f'{checkpoint} has a downsizer, {downsizers[0]}*, and {config} has none like it: name the config that it was '
            'trained with'
        )
    if absent:
        warn(f'{checkpoint} has no downsizer: that of {config} predicts as it starts, untrained')
    if unknown:
        warn(f'{checkpoint} has {len(unknown)} weights that the model does not have, such as {unknown[0]}: not used')
    classes, palette = _classes(cfg, found.get('meta') or {})
    model.to(get_device())
    model.eval()  # in a statement of its own: mmdet's distillers return None
    return Predictor(model, pipeline, classes, palette)


def _steps(cfg: Config, config: str) -> list[dict[str, Any]]:
    """Return the steps by which a config tests images, without their labels."""
    for loader in ('test_dataloader', 'val_dataloader'):
        steps = [step for one in chain_of(cfg, loader) for step in one.steps]
        if steps:
            return [dict(step) for step in steps if 'LoadAnnotations' not in name_of(step)]
    raise Refusal(f'{config} has no pipeline in test_dataloader or val_dataloader, which says how images are tested')


def _classes(cfg: Config, meta: Mapping[str, Any]) -> tuple[list[str], list[tuple[int, int, int]]]:
    """Return the names and colours of the classes: those that the checkpoint was trained with, else the config's."""
    old = {'classes': meta.get('CLASSES'), 'palette': meta.get('PALETTE')}  # as mmdet 2 and mmseg 0 write them
    trained = {key.lower(): value for key, value in (meta.get('dataset_meta') or old).items()}
    own = _metainfo(cfg)
    classes = trained.get('classes') or own.get('classes') or ()
    classes = [classes] if isinstance(classes, str) else [str(name) for name in classes]
    for palette in (trained.get('palette'), own.get('palette')):
        if isinstance(palette, list | tuple | np.ndarray) and len(palette) >= len(classes) > 0:
            return classes, [(int(red), int(green), int(blue)) for red, green, blue in palette]
    return classes, colours(len(classes))


def colours(count: int) -> list[tuple[int, int, int]]:
    """Return so many colours (red, green, blue), the same in every call."""
    drawn = np.random.default_rng(42).integers(0, 256, (count, 3))
    return [(int(red), int(green), int(blue)) for red, green, blue in drawn]


def _metainfo(cfg: Config) -> Mapping[str, Any]:
    """Return what a config's data set says of its classes; the data need not be there."""
    for loader in ('test_dataloader', 'val_dataloader'):
        dataset = (cfg.get(loader) or {}).get('dataset')
        if dataset:
            try:
                return DATASETS.build(dict(copy.deepcopy(dataset), lazy_init=True)).metainfo
            except Exception:  # a data set may be anybody's
                return dataset.get('metainfo') or {}
    return {}
