"""Settings that a config misspells: found before anything is built, with the name that was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from mmdownsize.refusal import TypeRefusal


def check_keywords(owner: str, given: Iterable[str], *takers: Callable[..., Any]) -> None:
    """Check that every setting has a taker.

    Args:
        owner: Whose settings they are, for the message.
        given: Their names.
        takers: The functions or classes that they go to, each handing on to the next what it does not know itself. If
            the last one hands on as well, nobody here can tell, and nothing is checked.

    Raises:
        TypeError: If one has none: names the one that comes close, or else all that there are.
    """
    parameters = [p for taker in takers for p in inspect.signature(taker).parameters.values()]
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(takers[-1]).parameters.values()):
        return
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != 'self']
    for name in given:
        if name not in known:
            meant = get_close_matches(name, known, n=1)
            way_out = f'did you mean {meant[0]!r}?' if meant else f'it takes {", ".join(known) or "none"}'
            raise TypeRefusal(f'{owner} has no setting {name!r}: {way_out}')
