"""The loss of a model on the images of a config, one value a batch, nothing trained."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from mmdownsize.command_line import building
from mmdownsize.progress import track
from mmdownsize.refusal import Refusal


def innermost(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the dataset that wrappers such as ``RepeatDataset`` hold."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def loader_of(cfg: Config, which: str, images: int | None) -> DataLoader[Any]:
    """Return the images of a config's loader, prepared as the training prepares its own, always in the same order.

    Args:
        cfg: With ``train_dataloader``, which has the pipeline and the batch size.
        which: ``'train_dataloader'`` or ``'val_dataloader'``: whose images.
        images: The first so many; None: all.

    Raises:
        Refusal: If the config lacks one of the loaders, or asks for what does not exist.
    """
    for name in ('train_dataloader', which):
        if cfg.get(name) is None:
            raise Refusal(f'the config has no {name}: its images are what the loss is measured on')
    trained_on = innermost(cfg.train_dataloader.dataset)
    with building():
        dataset = copy.deepcopy(innermost(cfg[which].dataset))
        dataset.pipeline = copy.deepcopy(trained_on.pipeline)
        dataset.pop('test_mode', None)
        if images is not None:
            dataset.indices = dataset.indices[:images] if isinstance(dataset.get('indices'), list) else images
        settings = dict(
            dataset=dataset,
            batch_size=cfg.train_dataloader.batch_size,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
        if 'collate_fn' in cfg.train_dataloader:
            settings['collate_fn'] = cfg.train_dataloader.collate_fn
        return Runner.build_dataloader(settings, seed=0)


def losses(model: nn.Module, loader: DataLoader[Any], label: str) -> tuple[list[float], list[int]]:
    """Return the model's loss of every batch and how many images are in it, with the same random numbers every time.

    Args:
        model: Of mmengine; its preprocessor is called as in a training.
        loader: Of :func:`loader_of`.
        label: What the progress bar says.
    """
    set_random_seed(0)
    found, counts = [], []
    with torch.no_grad():
        for batch in track(loader, label):
            data = model.data_preprocessor(batch, True)
            loss, _ = model.parse_losses(model(**data, mode='loss'))
            found.append(float(loss))
            counts.append(len(data['data_samples']))
    return found, counts
