"""Checks of arguments as configs and files give them. A message names the argument, its value and what would be right."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from mmdownsize.refusal import Refusal, TypeRefusal

COLOR_ORDERS = ('BGR', 'RGB')


def integer(name: str, value: Any, lowest: int, highest: int | None = None, otherwise: str = '') -> int:
    """Return a whole number within its range.

    Args:
        name: Name of the argument.
        value: What was given.
        lowest: The least it may be.
        highest: The most it may be; None: no limit.
        otherwise: Added to the message: another way out.

    Raises:
        ValueError: If it is not one. True and 2.0 are not.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < lowest or (highest is not None and value > highest):
        wanted = f'at least {lowest}' if highest is None else f'{lowest} to {highest}'
        raise Refusal(f'{name} must be a whole number, {wanted}, got {value!r}{otherwise}')
    return int(value)


def integers(name: str, value: Any, of: str) -> tuple[int, int]:
    """Return a pair of whole numbers, of either sign.

    Args:
        name: Name of the argument.
        value: What was given.
        of: What the two are, for the message.

    Raises:
        ValueError: If it is not a pair of whole numbers. True and 2.0 are not whole numbers.
    """
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or any(not isinstance(part, Integral) or isinstance(part, bool) for part in pair):
        raise Refusal(f'{name} must be {of}, two whole numbers, got {value!r}')
    return int(pair[0]), int(pair[1])


def positive(name: str, value: Any) -> float:
    """Return a finite number above 0.

    Raises:
        ValueError: If it is not one.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) < math.inf:
        raise Refusal(f'{name} must be a number above 0, and finite, got {value!r}')
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return True or False.

    Raises:
        ValueError: If it is something else, such as the string 'False', which Python takes for true.
    """
    if not isinstance(value, bool):
        raise Refusal(f'{name} must be True or False, got {value!r}')
    return value


def choice(name: str, value: Any, known: Collection[str], otherwise: str = '') -> str:
    """Return one of the known words.

    Args:
        name: Name of the argument.
        value: What was given.
        known: The words.
        otherwise: Added to the message: another way out.

    Raises:
        ValueError: If it is not one of them: lists them.
    """
    if not isinstance(value, str) or value not in known:
        raise Refusal(f'unknown {name} {value!r}, choose one of {", ".join(known)}{otherwise}')
    return value


def value_range(value: Any) -> tuple[float, float]:
    """Return the lowest and the highest value of an image.

    Raises:
        ValueError: If it is not a pair of finite numbers in order.
    """
    pair = isinstance(value, Sequence) and len(value) == 2 and all(isinstance(end, Real) for end in value)
    if not pair or not -math.inf < value[0] < value[1] < math.inf:
        raise Refusal(f'value_range must be (lowest, highest), two finite numbers in order, got {value!r}')
    return float(value[0]), float(value[1])


def is_range(value: Any) -> bool:
    """Return whether something is a pair of finite numbers above 0, in order."""
    pair = isinstance(value, Sequence) and len(value) == 2
    return pair and all(isinstance(end, Real) for end in value) and 0 < value[0] <= value[1] < math.inf


def check_divisor(name: str, value: Any) -> None:
    """Check a number of px that padded sides are multiples of.

    Raises:
        ValueError: If it is not a whole number of at least 1.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise Refusal(f'{name} must be a whole number of at least 1 px, got {value!r}')


def check_keywords(
    owner: str,
    given: Iterable[str],
    *takers: Callable[..., Any],
    also: Collection[str] = (),
    otherwise: Callable[[str], str] = lambda name: '',
) -> None:
    """Check that every setting has a taker, before anything is built.

    Args:
        owner: Whose settings they are, for the message.
        given: Names of the settings.
        takers: The functions or classes that they go to. Each passes on to the next what it does not take itself. If the
            last one passes settings on as well, nothing is checked.
        also: Further names that are taken.
        otherwise: Returns what the message says of a name without a taker, after everything else.

    Raises:
        TypeError: If a setting has no taker: names the one that comes close, or else all that there are.
    """
    parameters = [p for taker in takers for p in inspect.signature(taker).parameters.values()]
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(takers[-1]).parameters.values()):
        return
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != 'self']
    known += also
    for name in given:
        if name not in known:
            meant = get_close_matches(name, known, n=1)
            way_out = f'did you mean {meant[0]!r}?' if meant else f'it takes {", ".join(known) or "none"}'
            raise TypeRefusal(f'{owner} has no setting {name!r}: {way_out}{otherwise(name)}')
