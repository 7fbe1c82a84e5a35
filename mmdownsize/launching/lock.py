"""One training at a time in a folder: two would write, and resume from, each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdownsize.refusal import Refusal

try:
    import fcntl
except ImportError:  # where there is no such lock, as on Windows, two trainings are not noticed
    fcntl = None  # type: ignore[assignment]

NAME = '.training'


@contextmanager
def only_training_in(folder: str | Path) -> Iterator[None]:
    """Hold a folder for a training. The system lets go of it when the process ends, however it ends.

    Args:
        folder: The work dir, which is made.

    Raises:
        Refusal: If another training holds it.
        OSError: If the folder cannot be written to.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with Path(folder, NAME).open('a+') as held:
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.seek(0)
                process = held.read().strip()
                raise Refusal(
                    f'a training in {folder} is still running (process {process}), and two would mix their checkpoints: name '
                    'another folder with --work-dir, or wait for it to end'
                ) from None
            except OSError:  # a network drive without locks
                pass
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield
