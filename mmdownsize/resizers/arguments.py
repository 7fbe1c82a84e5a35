"""Constructor arguments as configs and files give them: checked by name, value and what would be right."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any

from mmdownsize.refusal import Refusal


def integer(name: str, value: Any, lowest: int, highest: int | None = None, otherwise: str = '') -> int:
    """Return a whole number within its range.

    Args:
        name: Of the argument.
        value: What was given.
        lowest: The least it may be.
        highest: The most it may be.
        otherwise: Added to the message: another way out.

    Raises:
        ValueError: If it is none; True and 2.0 are none either.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < lowest or (highest is not None and value > highest):
        wanted = f'at least {lowest}' if highest is None else f'{lowest} to {highest}'
        raise Refusal(f'{name} must be a whole number, {wanted}, got {value!r}{otherwise}')
    return int(value)


def integers(name: str, value: Any, of: str) -> tuple[int, int]:
    """Return a pair of whole numbers, of either sign.

    Args:
        name: Of the argument.
        value: What was given.
        of: What the two are, for the message.

    Raises:
        ValueError: If it is none; True and 2.0 are no whole numbers either.
    """
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or any(not isinstance(part, Integral) or isinstance(part, bool) for part in pair):
        raise Refusal(f'{name} must be {of}, two whole numbers, got {value!r}')
    return int(pair[0]), int(pair[1])


def positive(name: str, value: Any) -> float:
    """Return a finite number above 0.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) < math.inf:
        raise Refusal(f'{name} must be a number above 0, and finite, got {value!r}')
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return True or False.

    Raises:
        ValueError: If it is something else, such as the string 'False', which counts as true.
    """
    if not isinstance(value, bool):
        raise Refusal(f'{name} must be True or False, got {value!r}')
    return value


def choice(name: str, value: Any, known: Collection[str], otherwise: str = '') -> str:
    """Return one of the known words.

    Raises:
        ValueError: If it is none; lists them.
    """
    if not isinstance(value, str) or value not in known:
        raise Refusal(f'unknown {name} {value!r}, choose one of {", ".join(known)}{otherwise}')
    return value


def value_range(value: Any) -> tuple[float, float]:
    """Return the lowest and the highest value of an image.

    Raises:
        ValueError: If it is no pair of finite numbers in order.
    """
    pair = isinstance(value, Sequence) and len(value) == 2 and all(isinstance(end, Real) for end in value)
    if not pair or not -math.inf < value[0] < value[1] < math.inf:
        raise Refusal(f'value_range must be (lowest, highest), two finite numbers in order, got {value!r}')
    return float(value[0]), float(value[1])
