"""What the documents leave out: each a sentence that says where the missing line belongs."""

from collections.abc import Iterable, Iterator

from actors.commands import PUBLIC
from actors.runtime.envelope import Refused
from transport.contract import asyncapi, codes, openapi
from transport.contract.promises import PROMISES
from transport.rest.table import ROUTES
from transport.sentences import SENTENCES


def gaps() -> Iterator[str]:
    """Of all the refusals whose modules are loaded, of all the commands, and of all languages."""
    for name in PUBLIC.keys() - PROMISES.keys():
        yield f"{name} is promised nothing: give it a line in transport/contract/promises.py."
    told: set[str] = {kind.code for route in ROUTES for kind in openapi.refusals(route)}
    beside: Iterable[type[Refused]] = (*asyncapi.refusals(), *codes.ELSEWHERE, *codes.INSIDE)
    told |= {kind.code for kind in beside}
    for language, sentences in SENTENCES.items():
        for code in told - sentences.keys() - {kind.code for kind in codes.INSIDE}:
            yield f"{code} says nothing in {language}: give it a sentence in transport/sentences.py."
    for code in {kind.code for kind in _finer((Refused,))} - told:
        yield f"{code} is in no document: name it in a promise, at a route, or in transport/contract/codes.py."


def _finer(kinds: Iterable[type[Refused]]) -> Iterator[type[Refused]]:
    for kind in kinds:
        if not kind.__module__.startswith("tests."):
            yield kind
            yield from _finer(kind.__subclasses__())
