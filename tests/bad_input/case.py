"""One entry of the catalogue: something malformed, and what has to be said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """Something malformed.

    Attributes:
        id: What is wrong, in a few words.
        use: Does it, given an empty folder.
        error: What is raised.
        value: The offending value as the message has to name it, literally.
        way_out: What else the message has to say: a regular expression.
    """

    id: str
    use: Callable[[Path], Any]
    error: type[BaseException]
    value: str
    way_out: str


@dataclass(frozen=True)
class Accepted:
    """Something odd that OpenMMLab lets pass without a downsizer, and that therefore passes with one.

    Attributes:
        id: What is odd.
        check: Does it, given an empty folder, and asserts what must hold of the result.
    """

    id: str
    check: Callable[[Path], None]
