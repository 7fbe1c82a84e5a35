"""One model of the zoo on made-up data: a prediction, the losses, the downsizer's gradients and a step.

Images under test have every pixel twice in both directions, and boxes, masks and maps are on the same grid. A downsizer
that starts as bilinear halves them to exactly the images that the model gets without one. With the same weights losses
and predictions then have to be the same.
"""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmdownsize.configs import nodes, read_config, without_downloads
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.registry import MODELS
from mmdownsize.swapping.edits import text_of
from mmdownsize.swapping.swap import swap_edits
from study.zoo.data import doubled_batch, kinds_of

FACTOR = 2
KEPT = 10


@dataclass(frozen=True)
class Task:
    """What one process does.

    Attributes:
        config: The config file.
        scope: Registry scope of a config that names none.
        hw: Size of the images as the model sees them, px.
        downsizer: Config of the downsizer; None for the config as it is.
        weights: File that the unswapped model's weights are written to, and the swapped one's are read from.
        memory_gib: Bound of the address space.
    """

    config: Path
    scope: str
    hw: tuple[int, int]
    downsizer: dict[str, Any] | None
    weights: Path
    memory_gib: float


def run(task: Task, connection: Any) -> None:
    """Send what became of a task: ``stage``, ``error`` (None where there was none), ``seconds``, ``peak_mib``, what was found."""
    began = time.perf_counter()
    limit = int(task.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.environ.update(HF_HUB_OFFLINE='1', TRANSFORMERS_OFFLINE='1')
    found: dict[str, Any] = dict(stage='read', error=None)
    try:
        attempt(task, found)
    except Exception as error:  # a model may fail in any way
        refusal = refusal_behind(error)
        found['refused'] = refusal is not None
        found['error'] = in_words(refusal or error)
    found['seconds'] = time.perf_counter() - began
    found['peak_mib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    connection.send(found)


def refusal_behind(error: BaseException | None) -> Refusal | None:
    """Return the error if it is a refusal, or the first refusal behind it; None if there is none."""
    while error is not None and not isinstance(error, Refusal):
        error = error.__cause__ or error.__context__
    return error


def attempt(task: Task, found: dict[str, Any]) -> None:
    """Do a task, and note in ``found`` how far it came and what it gave.

    Raises:
        ValueError: If losses are not finite, the downsizer does not learn, or a prediction has another size than the image.
    """
    cfg = read_config(task.config)
    factor = 1
    if task.downsizer is not None:
        factor = FACTOR
        cfg = swapped(cfg, task)
    hw = (task.hw[0] * factor, task.hw[1] * factor)
    if task.config.parents[1].name == 'configs':
        os.chdir(task.config.parents[2])  # a teacher's config is named from there
    init_default_scope(cfg.get('default_scope') or task.scope)
    scope = cfg.get('default_scope') or task.scope
    kinds = kinds_of(cfg)

    found['stage'] = 'build'
    model = build(cfg, hw)
    if task.downsizer is None:
        keep_weights(model, task.weights)
    else:
        take_weights(model, task.weights)

    found['stage'] = 'prediction'
    batch = doubled_batch(scope, task.hw, factor, kinds)
    seed()
    model.eval()  # in a statement of its own: mmdet's distillers return None
    with torch.no_grad():
        predicted = model.test_step(batch)
    found['prediction'] = [prediction_of(sample) for sample in predicted]
    found['inside'] = all(p['inside'] for p in found['prediction'])

    found['stage'] = 'losses'
    seed()
    model.train()
    with torch.no_grad():
        found['losses'] = losses_of(model, doubled_batch(scope, task.hw, factor, kinds))[1]

    # Among equal pixels it makes no difference how they are weighed: the gradient would be 0.
    found['stage'] = 'training'
    batch = doubled_batch(scope, task.hw, factor, kinds)
    batch['inputs'] = [torch.randint(0, 256, image.shape, dtype=torch.uint8) for image in batch['inputs']]
    total, _ = losses_of(model, batch)
    downsizer = list(model.data_preprocessor.downsizer.named_parameters()) if factor > 1 else []
    step(model, total, dict(downsizer))
    found['stage'] = 'done'


def swapped(cfg: Config, task: Task) -> Config:
    """Return the config with a downsizer, by way of the file that tools/swap_resizer.py would write."""
    edits = swap_edits(cfg, dict(task.downsizer or {}), dict(scale_factor=1 / FACTOR))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'swapped.py'
        path.write_text(text_of(str(task.config), edits))
        return read_config(path)


def seed() -> None:
    """Start every generator afresh: samplers and dropout draw the same with and without a downsizer."""
    random.seed(0)
    np.random.seed(0)  # mmdet's samplers use the global one
    torch.manual_seed(0)


def build(cfg: Config, hw: tuple[int, int]) -> nn.Module:
    """Return the config's model without anything to be downloaded, for images of this size."""
    settings = cfg.model
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    # A model with a set number of proposals predicts for each of them.
    kept = max([KEPT, *(node['num_proposals'] for node in nodes(settings) if 'num_proposals' in node)])
    for node in nodes(settings):
        # With random weights every score is low: without this there would be no boxes to look at.
        for key in ('score_thr', 'conf_thr'):
            if isinstance(node.get(key), int | float):
                node[key] = 0.0
        if isinstance(node.get('max_per_img'), int):
            node['max_per_img'] = min(node['max_per_img'], kept)
        # mmcv's looks for the other processes when it is built; torch's is turned into BatchNorm below.
        if node.get('type') == 'MMSyncBN':
            node['type'] = 'SyncBN'
    without_downloads(settings)
    preprocessor = settings.data_preprocessor
    preprocessor.pop('train_scale_factor', None)  # losses are compared at the target
    for node in [preprocessor, *(preprocessor.get('batch_augments') or [])]:
        if isinstance(node.get('size'), Sequence):
            node['size'] = hw
    hub = MessageHub.get_current_instance()
    for name in ('iter', 'epoch'):
        hub.update_info(name, 0)
        hub.update_info(f'max_{name}s', 100)
    seed()
    model = revert_sync_batchnorm(MODELS.build(settings))
    model.init_weights()
    return model


def keep_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights to a file."""
    torch.save([part.state_dict() for part in parts_of(model)], path)


def take_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights that :func:`keep_weights` has written; a downsizer's own stay what they are.

    Raises:
        ValueError: If the model has others than those in the file.
    """
    for part, weights in zip(parts_of(model), torch.load(path), strict=True):
        lacking = part.load_state_dict(weights, strict=False)
        strange = [k for k in lacking.missing_keys if not k.startswith('data_preprocessor.downsizer.')]
        if strange or lacking.unexpected_keys:
            raise ValueError(f'other weights than without a downsizer: {strange + lacking.unexpected_keys}')


def parts_of(model: nn.Module) -> list[nn.Module]:
    """Return the model and, where it is one of mmdet's distillers, the teacher, which its modules do not include."""
    return [model, *([model.teacher_model] if hasattr(model, 'teacher_model') else [])]


def losses_of(model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, dict[str, float]]:
    """Return the loss to be minimised, and every logged value.

    Raises:
        ValueError: If one is not finite.
    """
    total, logged = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
    losses = {name: float(value) for name, value in logged.items() if value.numel() == 1}
    bad = [name for name, value in losses.items() if not np.isfinite(value)]
    if bad:
        raise ValueError(f'losses that are not finite: {", ".join(bad)}')
    return total, losses


def step(model: nn.Module, total: Tensor, downsizer: dict[str, nn.Parameter]) -> None:
    """Take one step of gradient descent.

    Raises:
        ValueError: If no parameter of the downsizer gets a gradient, or it is not finite or does not move.
    """
    total.backward()
    grads = [p.grad for p in downsizer.values() if p.grad is not None]
    if downsizer and not any(grad.any() for grad in grads):
        raise ValueError('the downsizer gets no gradient')
    if not all(torch.isfinite(grad).all() for grad in grads):
        raise ValueError('the gradient of the downsizer is not finite')
    before = {name: p.detach().clone() for name, p in downsizer.items()}
    torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4).step()
    if downsizer and all(torch.equal(p, before[name]) for name, p in downsizer.items()):
        raise ValueError('the optimiser does not move the downsizer')


def prediction_of(sample: Any) -> dict[str, Any]:
    """Return what a sample predicts: ``boxes`` (n, 4) px, ``labels`` (n,), ``map`` (h, w), and whether boxes lie ``inside``.

    Raises:
        ValueError: If it predicts nothing, numbers are not finite, or masks or maps do not have the original size.
    """
    said: dict[str, Any] = dict(boxes=None, labels=None, map=None, inside=True)
    h, w = sample.ori_shape[:2]
    for name in ('pred_sem_seg', 'pred_panoptic_seg', 'pred_depth_map'):
        if name in sample:
            data = sample.get(name)
            data = data.sem_seg if 'sem_seg' in data else data.data
            data = torch.as_tensor(data)
            if tuple(data.shape[-2:]) != (h, w):
                raise ValueError(f'{name} has {tuple(data.shape[-2:])} (h, w), the original image {(h, w)}')
            said['map'] = data.reshape(-1, h, w)[0].numpy()
    if 'pred_instances' in sample:
        instances = sample.pred_instances
        if 'bboxes' in instances:
            boxes = instances.bboxes.reshape(-1, 4)
            if not torch.isfinite(boxes).all():
                raise ValueError('predicted boxes that are not finite')
            edge = torch.tensor([w, h, w, h]) + 1
            said['inside'] = bool((boxes >= -1).all() and (boxes <= edge).all())
            said['boxes'] = boxes.numpy()
            said['labels'] = instances.labels.numpy() if 'labels' in instances else np.zeros(len(boxes), int)
        if 'masks' in instances and tuple(instances.masks.shape[-2:]) != (h, w):
            raise ValueError(f'masks have {tuple(instances.masks.shape[-2:])} (h, w), the original image {(h, w)}')
    if said['map'] is None and said['boxes'] is None:
        raise ValueError('the model predicts nothing')
    return said
