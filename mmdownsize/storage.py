"""Writing files: after a full disk or a killed process there is the old file or the new one, never half of one."""

from __future__ import annotations

import glob
import os
from pathlib import Path


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file under another name beside its place, then put it there in one step.

    What processes that were killed meanwhile have left of the same file is removed.

    Args:
        path: Where to. Missing folders are made. If it is not a regular file, such as a pipe, it is written to directly.
        content: Text is encoded as UTF-8.

    Raises:
        OSError: If it cannot be written: names the file. An earlier file is unchanged.
    """
    path = Path(os.path.realpath(path))  # the file that a link points to is replaced, not the link
    data = content.encode() if isinstance(content, str) else content
    _remove_abandoned(path)
    aside = path.with_name(f'{path.name}.{os.getpid()}.partial') if path.is_file() or not path.exists() else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open('wb') as file:
            file.write(data)
            file.flush()
            if aside != path:
                os.fsync(file.fileno())
        if aside != path:
            aside.replace(path)
    except BaseException as error:
        if aside != path:
            _remove(aside)
        if isinstance(error, OSError):
            raise _named(error, path) from error
        raise


def append_line(path: str | Path, line: str) -> None:
    """Add a line to a text file, all of it or nothing.

    Raises:
        OSError: If it cannot be written: names the file, which is unchanged.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('ab', buffering=0) as file:  # a buffer would write again when the file is closed
            before, rest = file.tell(), f'{line}\n'.encode()
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as error:
        raise _named(error, path) from error


def check_writable(path: str | Path) -> None:
    """Check that a file can be written there, before the work whose result it will hold.

    Raises:
        OSError: If not: names the file.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(f'cannot write {path}: it is a folder')
    if not path.exists():
        write_whole(path.with_name(f'{path.name}.{os.getpid()}.trial'), b'')
        _remove(path.with_name(f'{path.name}.{os.getpid()}.trial'))


def _named(error: OSError, path: Path) -> OSError:
    # A write that fails in the middle does not know which file it was, and mkdir names another.
    return type(error)(error.errno, f'cannot write {path}: {error.strerror or error}')


def _remove_abandoned(path: Path) -> None:
    for aside in path.parent.glob(f'{glob.escape(path.name)}.*.partial'):
        process = aside.name.split('.')[-2]
        if process.isdigit() and not _is_running(int(process)):
            _remove(aside)


def _is_running(process: int) -> bool:
    if os.name != 'posix':  # where `os.kill` ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # nothing could be made there, so there is nothing to remove
        return
