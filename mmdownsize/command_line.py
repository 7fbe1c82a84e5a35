"""What the command lines share: settings as KEY=VALUE, and one line instead of a traceback for what a user can put right."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmdownsize.refusal import Refusal, in_words

# What mmengine and OpenMMLab's classes raise if a config asks for something that does not exist.
_CONFIG_ERRORS = (AssertionError, AttributeError, ImportError, KeyError, TypeError, ValueError)


class Settings(argparse.Action):
    """``--cfg-options``: mmengine's, with a message if a setting has no value. Without the option mmengine is not imported."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: Any = None) -> None:
        """Keep the settings."""
        from mmengine.config import DictAction

        for setting in values:
            if '=' not in setting.strip('='):
                parser.error(f'{option_string}: KEY=VALUE is needed, got {setting!r}')
        DictAction(self.option_strings, self.dest)(parser, namespace, values, option_string)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Exit with one line for a :class:`Refusal`, or if a file cannot be read or written. Other errors keep their traceback."""
    try:
        yield
    except (OSError, Refusal) as error:
        sys.exit(in_words(error))


@contextmanager
def building() -> Iterator[None]:
    """Turn what OpenMMLab raises while a config is built into a :class:`Refusal`.

    A wrong config and a fault of ours look alike there. So use it around the building only, never around a training.
    """
    try:
        yield
    except Refusal:
        raise
    except _CONFIG_ERRORS as error:
        raise Refusal(in_words(error)) from error
