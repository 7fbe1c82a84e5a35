"""What ``tools/swap_resizer.py`` does: from its options to the edited config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import (
    is_pure_python,
    preprocessor_settings,
    read_fragment,
    read_named_config,
    with_names,
)
from mmdownsize.geometry import TargetSize
from mmdownsize.loading import model_config
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.storage import write_whole
from mmdownsize.swapping import DOWNSIZER, FITTED
from mmdownsize.swapping.check import FILE_HW, check
from mmdownsize.swapping.edits import KEPT, Edit, notes_of, read_back, text_of
from mmdownsize.swapping.fit import check_fit, fit_edits, fits_whole_images
from mmdownsize.swapping.sizes import measure
from mmdownsize.swapping.swap import preprocessor_of, swap_edits


@dataclass(frozen=True)
class Options:
    """What to put into which config.

    Attributes:
        config: A config file, or ``PACKAGE::NAME`` of one that mmdet or mmsegmentation ships.
        out: File for the edited config; None: none is written.
        downsizer: Name of a fragment in ``configs/_base_/downsize``; None: one that suits.
        fit: Checkpoint of a finished model, of which nothing is trained; None: the whole model is trained.
        steps: Steps of the fit; None: the recipe's.
        scale_factor: Target size relative to what the pipeline delivers; None: 0.5, if there is no other target.
        scale: Target size (w, h) in px.
        keep_ratio: Whether ``scale`` keeps the aspect ratio.
        take_resize: Whether the target size is that of the pipelines' last ``Resize``, which is taken out.
        check: Whether to build the result and try it on made-up data.
        log: Whether mmengine logs while that is done.
        images: Image files, or folders of them, whose sizes are measured; None: some of the config's own, if they are here.
    """

    config: str
    out: Path | None = None
    downsizer: str | None = None
    fit: str | None = None
    steps: int | None = None
    scale_factor: float | None = None
    scale: tuple[int, int] | None = None
    keep_ratio: bool = False
    take_resize: bool = False
    check: bool = False
    log: bool = False
    images: Sequence[Path] | None = None


@dataclass(frozen=True)
class Swapped:
    """A config with a downsizer.

    Attributes:
        text: The content of its file.
        notes: One sentence for each edit.
        found: What the check found, a line each.
        sizes: What becomes of the size of images, a line each; none where there are no images.
        cfg: The config, as its file reads.
    """

    text: str
    notes: list[str]
    found: list[str]
    sizes: list[str]
    cfg: Config = field(compare=False, repr=False)


def swap_resizer(options: Options) -> Swapped:
    """Put a downsizer into a config, and write the result if there is a file for it.

    Raises:
        Refusal: If an option or the config is not what it should be, the check fails, or the result does not read back.
        OSError: If the file cannot be written.
    """
    downsizer, rates = read_fragment(options.downsizer or (FITTED if options.fit else DOWNSIZER))
    target = target_of(options)
    if options.fit:
        check_fit(options.fit, downsizer)
    cfg, base = read_named_config(options.config)
    if options.out and options.out.resolve() == Path(base):
        raise Refusal(f'--out {options.out} is the config itself, which the edited one needs: name another file')
    in_full = is_pure_python(cfg)
    told: list[Edit] = []
    if in_full:
        cfg = with_names(cfg)
        told = _told_of_pure_python(cfg, base)
    edits = swap_edits(cfg, downsizer, target, rates, own_images=not (options.fit and fits_whole_images(cfg)))
    if options.fit:
        edits += fit_edits(cfg, edits, options.fit, rates, options.steps)
    edits = [*told, *edits]
    text = text_of(cfg if in_full else base, edits)
    read = read_back(text, cfg, edits)
    found = try_out(read, log=options.log) if options.check else []
    sizes = measure(read, options.images)
    if options.out:
        write_whole(options.out, text)
    return Swapped(text, notes_of(edits), found, sizes.in_words() if sizes else [], read)


def _told_of_pure_python(cfg: Config, base: str) -> list[Edit]:
    """Return the edits of a pure Python config that is written in full, with names for its classes."""
    why = f'{base} is pure Python, from which a config like this one cannot inherit: it is written in full'
    told = [Edit('_base_', KEPT, why)]
    if not cfg.get('default_scope'):
        scope = str(preprocessor_of(cfg)['type']).partition('.')[0]
        told.append(
            Edit('default_scope', scope, f'default_scope={scope!r}: names without a module are looked up there')
        )
    return told


def target_of(options: Options) -> dict[str, Any] | None:
    """Return the preprocessor's target size that the options ask for; None: that of the pipelines' ``Resize``.

    Raises:
        Refusal: If it is none, or an option has nothing to apply to.
    """
    if options.keep_ratio and not options.scale:
        raise Refusal('--keep-ratio goes with --scale W H: leave it out, or say --scale')
    if options.take_resize:
        return None
    target: dict[str, Any]
    if options.scale:
        target = dict(scale=tuple(options.scale), **(dict(keep_ratio=True) if options.keep_ratio else {}))
    else:
        target = dict(scale_factor=0.5 if options.scale_factor is None else options.scale_factor)
    TargetSize(**target)
    return target


def try_out(cfg: Config, *, log: bool = False, what: str = '--check: the edited config') -> list[str]:
    """Return what :func:`mmdownsize.swapping.check.check` finds of a config, a line each.

    Args:
        cfg: The config, with a downsizer.
        log: Whether mmengine logs meanwhile.
        what: What the config is, for the message.

    Raises:
        Refusal: If the config does not work.
    """
    try:
        return check(cfg, log=log)
    except Exception as error:  # a model may fail in any way
        raise Refusal(f'{what} does not work: {in_words(error)}') from error


def check_config(config: str, settings: Mapping[str, Any] | None = None, *, log: bool = False) -> list[str]:
    """Return what :func:`mmdownsize.swapping.check.check` finds of a config that has a downsizer, a line each.

    Args:
        config: A config file, or ``PACKAGE::NAME`` of one that a package ships.
        settings: Values by dotted key, as ``--cfg-options`` gives them.
        log: Whether mmengine logs meanwhile.

    Raises:
        Refusal: If there is no such config, it has no downsizer, or it does not work.
    """
    cfg = model_config(config, settings)
    if is_pure_python(cfg):
        cfg = with_names(cfg)
    place, _ = preprocessor_settings(cfg.model) or ('', {})
    if not place:
        raise Refusal(f'{config} has no downsizer to check: mmdownsize swap {config} --check puts one in and tries it')
    if place != 'model.data_preprocessor':
        raise Refusal(
            f'{config} has its downsizer at {place}, and batches are made up for model.data_preprocessor alone: check the '
            'plain model that this one is made of'
        )
    if cfg.get('default_scope') not in FILE_HW:
        raise Refusal(
            f'{config} has default_scope={cfg.get("default_scope")!r}, and batches are made up for {" and ".join(FILE_HW)}: '
            'say --cfg-options default_scope=mmdet, or mmseg'
        )
    return try_out(cfg, log=log, what=config)
