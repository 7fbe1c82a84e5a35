"""Errors that the package raises on purpose, and errors in one line of text."""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(ValueError):
    """A value that cannot work was given. The message names the value and the way out."""


class TypeRefusal(Refusal, TypeError):
    """A refusal of a value of a wrong type. It is a ``TypeError`` too."""


class MissingPackage(ImportError, Refusal):
    """A package that is needed is not installed. It is an ``ImportError`` too."""


class MissingFile(Refusal, FileNotFoundError):
    """A file that is needed does not exist. It is a ``FileNotFoundError`` too."""


def in_words(error: BaseException) -> str:
    """Return what an error says, on one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename}: {error.strerror}'
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    # The text of a data loader's worker starts with a traceback and ends with the message.
    lines: Sequence[str] = str(error).strip().splitlines() or ['']
    said = lines[-1].strip() if 'Traceback' in str(error) else ' '.join(line.strip() for line in lines)
    # The text of a KeyError is only the key, and an AssertionError may have none.
    return said if isinstance(error, ValueError | OSError) else f'{type(error).__name__}: {said}'
