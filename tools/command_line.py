"""What the command lines share: settings as KEY=VALUE, and one line, not a traceback, for what a user can put right."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmdownsize.checkpoints import CheckpointError

WRONG_SETTINGS = (AssertionError, AttributeError, ImportError, KeyError, TypeError, ValueError)
"""What mmengine and OpenMMLab's classes raise where a config asks for what there is not."""


class Settings(DictAction):
    """``--cfg-options``: mmengine's, with a message where a setting has no value."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: Any = None) -> None:
        """Keep the settings."""
        for setting in values:
            if '=' not in setting.strip('='):
                parser.error(f'{option_string}: KEY=VALUE is needed, got {setting!r}')
        super().__call__(parser, namespace, values, option_string)


def read_config(path: str | Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Return a config with settings of the command line in it.

    Raises:
        ValueError: If there is no such file, it is no config, or it has no place for a setting.
    """
    if not Path(path).is_file():
        raise ValueError(f'no such config: {path}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is a program
        raise ValueError(f'{path} cannot be read as a config: {in_words(error)}') from error
    try:
        cfg.merge_from_dict(dict(settings or {}))
    except Exception as error:
        raise ValueError(f'{path} has no place for {dict(settings or {})}: {in_words(error)}') from error
    return cfg


@contextmanager
def in_one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Exit with one line where a file or a folder cannot be read or written, or a checkpoint is broken.

    Args:
        kinds: Other errors that a user can put right here.
    """
    try:
        yield
    except (OSError, CheckpointError, *kinds) as error:
        sys.exit(in_words(error))


def in_words(error: Exception) -> str:
    """Return what an error says, on one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename}: {error.strerror}'
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    # A loader's worker puts its traceback first, and the error last.
    lines: Sequence[str] = str(error).strip().splitlines() or ['']
    said = lines[-1].strip() if 'Traceback' in str(error) else ' '.join(line.strip() for line in lines)
    # A KeyError of Python's is the bare key, and an AssertionError may be nothing.
    return said if isinstance(error, ValueError | OSError) else f'{type(error).__name__}: {said}'


def name_of(settings: dict[str, Any]) -> str:
    """Return the name of the class that a config is of, without a registry's scope."""
    kind = settings['type']
    return (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2]
