"""Edits of a config as values: what each sets, and why. The config's text is made from them, last of all."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.refusal import Refusal, in_words
from mmdownsize.storage import write_whole


class Kept(Enum):
    """The value of an edit that sets nothing: it explains what a setting means now."""

    KEPT = 'kept'


KEPT = Kept.KEPT


@dataclass(frozen=True)
class Edit:
    """One setting of a config, its new value, and the reason.

    A later edit replaces an earlier one of the same key: its value and its reason. The reason keeps the earlier one's place
    among the notes.

    Attributes:
        key: Dotted path of the setting, such as ``'model.data_preprocessor.type'``.
        value: The new value. :data:`KEPT`: the setting stays as it is.
        why: One sentence without a full stop. Empty: the note of an edit beside it says so already.
    """

    key: str
    value: Any
    why: str = ''


def notes_of(edits: Iterable[Edit]) -> list[str]:
    """Return one sentence for each edit that gives a reason."""
    return [edit.why for edit in _last_of_each_key(edits).values() if edit.why]


def changes_of(edits: Iterable[Edit]) -> dict[str, Any]:
    """Return the new settings, nested as in the config.

    An edit of a whole, such as ``'train_dataloader.dataset'``, also replaces the earlier edits of its parts.
    """
    edits = list(edits)
    last = _last_of_each_key(edits)
    changes: dict[str, Any] = {}
    for edit in edits:
        if edit.value is KEPT or edit is not last[edit.key]:
            continue
        *path, name = edit.key.split('.')
        node = changes
        for key in path:
            node = node.setdefault(key, {})
        node[name] = copy.deepcopy(edit.value)
    return changes


def edited(cfg: Config, edits: Sequence[Edit]) -> Config:
    """Return a copy of a config with the edits in it."""
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(changes_of(edits))
    return cfg


def repeated(edits: Iterable[Edit], of: str, at: str, why: str) -> list[Edit]:
    """Return the edits of a part of a config, for another place that has the same part.

    Args:
        edits: The edits.
        of: Dotted path of the part.
        at: Dotted path of the other place.
        why: The reason for all of them; see :class:`Edit`.
    """
    own = [edit for edit in edits if f'{edit.key}.'.startswith(f'{of}.') and edit.value is not KEPT]
    return [Edit(f'{at}{edit.key.removeprefix(of)}', edit.value, '' if i else why) for i, edit in enumerate(own)]


def text_of(base: str | Config, edits: Sequence[Edit]) -> str:
    """Return the content of a config file: the notes as comments, and the edits over ``base``.

    Args:
        base: What ``_base_`` names: a config file or ``PACKAGE::NAME``. Or a config, which is written out in full.
        edits: The edits.
    """
    notes = '\n'.join(f'# {note}.' for note in notes_of(edits))
    if isinstance(base, Config):
        return f'{notes}\n\n{edited(base, edits).pretty_text}'
    return f'{notes}\n_base_ = {base!r}\n\n{Config(changes_of(edits)).pretty_text}'


def read_back(text: str, cfg: Config, edits: Sequence[Edit]) -> Config:
    """Return what mmengine reads from the content of a config file.

    Args:
        text: The content.
        cfg: The config without the edits.
        edits: The edits that it has to hold.

    Raises:
        Refusal: If it cannot be read, or reads as something else.
        OSError: If there is no room for a temporary file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'edited.py'
        write_whole(path, text)
        try:
            found = Config.fromfile(path)
        except Exception as error:  # a config is a program
            raise Refusal(f'the edited config cannot be read back, nothing is written: {in_words(error)}') from error
    wanted = edited(cfg, edits)
    for key in {edit.key: None for edit in edits if edit.value is not KEPT}:
        ours, theirs = (_without_scopes(_value_at(config, key)) for config in (wanted, found))
        if ours != theirs:
            raise Refusal(
                f'the edited config reads back as another, nothing is written: {key}={theirs!r}, not {ours!r}'
            )
    return found


def _value_at(cfg: Config, key: str) -> Any:
    node: Any = cfg.to_dict()
    for name in key.split('.'):
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _without_scopes(value: Any) -> Any:
    """Return a setting without the ``_scope_`` that mmengine adds to what it inherits from another package."""
    if isinstance(value, dict):
        return {key: _without_scopes(part) for key, part in value.items() if key != '_scope_'}
    return type(value)(map(_without_scopes, value)) if isinstance(value, list | tuple) else value


def _last_of_each_key(edits: Iterable[Edit]) -> dict[str, Edit]:
    return {edit.key: edit for edit in edits}  # a dict keeps the place of the first one
