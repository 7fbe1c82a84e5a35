"""Keep what other packages log, print and warn of away from a command's own few lines."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from mmengine.logging import MMLogger

from mmdownsize.notices import Notice


@contextmanager
def nothing_else_said() -> Iterator[None]:
    """Keep away mmengine's log, and warnings other than this package's."""
    MMLogger.get_current_instance()  # which makes one if there is none
    levels = {logger: logger.level for logger in MMLogger._instance_dict.values()}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            warnings.simplefilter('default', Notice)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


@contextmanager
def nothing_printed() -> Iterator[None]:
    """Keep away what is printed to stdout, as pycocotools does whenever a data set is built."""
    with redirect_stdout(io.StringIO()):
        yield
