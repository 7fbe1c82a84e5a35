"""One model of the zoo on made-up data: a prediction, the losses, the downsizer's gradients and a step.

Images under test have every pixel twice in both directions, and boxes, masks and maps are on the same grid. A downsizer
that starts as bilinear halves them to exactly the images that the model gets without one. With the same weights losses
and predictions then have to be the same.
"""

from __future__ import annotations

import copy
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmdownsize.configs import channels_of, name_of, read_config, read_fragment
from mmdownsize.deploy.flops import Options as Counted
from mmdownsize.deploy.flops import count_config
from mmdownsize.made_up import kinds_of, made_up_batch
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.registry import HOOKS
from mmdownsize.swapping.build import build, seed
from mmdownsize.swapping.check import check, losses_of
from mmdownsize.swapping.edits import edited, text_of
from mmdownsize.swapping.fit import fit_edits
from mmdownsize.swapping.predicted import prediction_of
from mmdownsize.swapping.run import FITTED
from mmdownsize.swapping.swap import swap_edits

FACTOR = 2
SURROUNDED = 1.5  # how many times larger original images are than what the pipeline delivers


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
        does: What is done: one of :data:`DOINGS`.
    """

    config: Path
    scope: str
    hw: tuple[int, int]
    downsizer: dict[str, Any] | None
    weights: Path
    memory_gib: float
    does: str = 'run'

    @property
    def source_hw(self) -> tuple[int, int]:
        """Size of the images before the downsizer, px."""
        return self.hw[0] * FACTOR, self.hw[1] * FACTOR


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
        DOINGS[task.does](task, found)
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
    """Run a model, and note in ``found`` how far it came and what it gave.

    Raises:
        ValueError: If losses are not finite, the downsizer does not learn, or a prediction has another size than the image.
    """
    cfg = read_config(task.config)
    factor = 1
    if task.downsizer is not None:
        factor = FACTOR
        cfg = swapped(cfg, task)
    hw = (task.hw[0] * factor, task.hw[1] * factor)
    enter(cfg, task)

    def batch() -> dict[str, Any]:
        ori_hw = (int(task.hw[0] * SURROUNDED), int(task.hw[1] * SURROUNDED))
        return made_up_batch(cfg.default_scope, task.hw, kinds=kinds_of(cfg), ori_hw=ori_hw, repeat=factor)

    found['stage'] = 'build'
    model = build(sized(cfg, hw))
    if task.downsizer is None:
        keep_weights(model, task.weights)
    else:
        take_weights(model, task.weights)

    found['stage'] = 'prediction'
    data = batch()
    seed()
    model.eval()  # in a statement of its own: mmdet's distillers return None
    with torch.no_grad():
        predicted = model.test_step(data)
    found['prediction'] = [prediction_of(sample) for sample in predicted]
    found['inside'] = all(p['inside'] for p in found['prediction'])

    found['stage'] = 'losses'
    seed()
    model.train()
    with torch.no_grad():
        found['losses'] = losses_of(model, model.data_preprocessor(batch(), True))[1]

    # Among equal pixels it makes no difference how they are weighed: the gradient would be 0.
    found['stage'] = 'training'
    data = batch()
    data['inputs'] = [torch.randint(0, 256, image.shape, dtype=torch.uint8) for image in data['inputs']]
    total, _ = losses_of(model, model.data_preprocessor(data, True))
    downsizer = list(model.data_preprocessor.downsizer.named_parameters()) if factor > 1 else []
    step(model, total, dict(downsizer))
    found['stage'] = 'done'


def enter(cfg: Config, task: Task) -> None:
    """Make a config's scope the default one, and the folder that it names others from the current one."""
    cfg.default_scope = cfg.get('default_scope') or task.scope
    if task.config.parents[1].name == 'configs':
        os.chdir(task.config.parents[2])  # a teacher's config is named from there
    init_default_scope(cfg.default_scope)


def swapped(cfg: Config, task: Task) -> Config:
    """Return the config with a downsizer, by way of the file that tools/swap_resizer.py would write."""
    with tempfile.TemporaryDirectory() as folder:
        return read_config(write_swapped(cfg, task, Path(folder)))


def write_swapped(cfg: Config, task: Task, folder: Path) -> Path:
    """Write the file that tools/swap_resizer.py would write, into a folder, and return its path."""
    edits = swap_edits(cfg, dict(task.downsizer or {}), dict(scale_factor=1 / FACTOR))
    path = folder / 'swapped.py'
    path.write_text(text_of(str(task.config), edits))
    return path


def try_check(task: Task, found: dict[str, Any]) -> None:
    """Do what ``tools/swap_resizer.py --check`` does."""
    cfg = swapped(read_config(task.config), task)
    enter(cfg, task)
    found['said'] = check(sized(cfg, task.source_hw), hw=task.source_hw)


def try_flops(task: Task, found: dict[str, Any]) -> None:
    """Do what ``tools/get_flops.py`` does."""
    cfg = read_config(task.config)
    with tempfile.TemporaryDirectory() as folder:
        path = write_swapped(cfg, task, Path(folder))
        enter(cfg, task)
        h, w = task.source_hw
        count_config(Counted(path, shape=(w, h), cfg_options=dict(default_scope=cfg.default_scope)))


def try_fit(task: Task, found: dict[str, Any]) -> None:
    """Do a step of the training that ``tools/swap_resizer.py --fit`` sets up.

    Raises:
        Refusal: If the downsizer does not learn, or something else does.
    """
    cfg = read_config(task.config)
    downsizer, rates = read_fragment(FITTED)
    edits = swap_edits(cfg, downsizer, dict(scale_factor=1 / FACTOR), rates)
    cfg = edited(cfg, [*edits, *fit_edits(cfg, edits, 'finished.pth', rates)])
    enter(cfg, task)
    model = build(sized(cfg, task.source_hw))
    trainer = SimpleNamespace(model=model)  # what the hook reads of mmengine's Runner
    (hook,) = (HOOKS.build(hook) for hook in cfg.custom_hooks if name_of(hook) == 'TrainOnlyHook')
    hook.before_train(trainer)
    model.train()
    hook.before_train_iter(trainer, 0)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    images = min(cfg.train_dataloader.batch_size, 2)
    batch = made_up_batch(
        cfg.default_scope, task.source_hw, images=images, channels=channels_of(cfg.model), kinds=kinds_of(cfg)
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    losses = model.train_step(batch, wrapper)
    bad = [name for name, value in losses.items() if not torch.isfinite(value).all()]
    if bad:
        raise Refusal(f'losses that are not finite: {", ".join(bad)}')
    # An update comes after several steps, or after this one.
    learning = {
        n for n, p in model.named_parameters() if not torch.equal(p, before[n]) or (p.grad is not None and p.grad.any())
    }
    if not any(name.startswith('data_preprocessor.downsizer.') for name in learning):
        raise Refusal('the downsizer does not learn')
    others = sorted(name for name in learning if not name.startswith('data_preprocessor.downsizer.'))
    if others:
        raise Refusal(f'{others[0]} learns too')


DOINGS: dict[str, Callable[[Task, dict[str, Any]], None]] = {
    'run': attempt,
    'check': try_check,
    'fit': try_fit,
    'flops': try_flops,
}


def sized(cfg: Config, hw: tuple[int, int]) -> Config:
    """Return the config for images of one size (h, w) in px, at the target."""
    cfg = copy.deepcopy(cfg)
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    preprocessor = cfg.model.data_preprocessor
    preprocessor.pop('train_scale_factor', None)  # losses are compared at the target
    for node in [preprocessor, *(preprocessor.get('batch_augments') or [])]:
        if isinstance(node.get('size'), Sequence):
            node['size'] = hw
    return cfg


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
