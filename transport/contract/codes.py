"""Every code a refusal may have, and which of them any request may meet."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.domain import refusals as why
from actors.journal.orders import TooMuch
from actors.runtime import envelope
from actors.runtime.envelope import Effect, Refused
from transport import problems
from transport import refusals as doors

ANYWHERE: Final[tuple[type[Refused], ...]] = (
    why.Invalid,
    envelope.Overloaded,
    envelope.Unavailable,
    envelope.TimedOut,
    envelope.Crashed,
)
"""By whichever door, whatever is asked."""
OVER_HTTP: Final = (doors.Forbidden, doors.NotAcceptable, why.TooLarge, doors.Unsupported, why.RateLimited)
SIGNED_IN: Final = (why.Unauthenticated, why.Revoked)
WRITING: Final = (envelope.CidConflict, envelope.Poisoned, TooMuch, why.Conflict)
"""By whatever is a command to a session."""
ON_SOCKETS: Final = (
    *(why.UnknownCommand, why.TooLarge, why.RateLimited),
    *(doors.Unreadable, doors.NotJoined),
)
ELSEWHERE: Final = (doors.MethodNotAllowed, why.NotFound)
"""By a path or a method that is in no document."""
INSIDE: Final = (Refused, why.TooManySteps, why.TooManyActions, why.BadOffer, why.BadCandidate)
"""Never told to an app: what is only there to be refined, and what only the coach is refused with."""


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. `effect` says whether anything may have happened: then ask again with the same cid.

    `fields` names the first failing path. Take an unknown `code` for the part before its last dot, and for its status.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    effect: Effect
    fields: dict[str, str] | UnsetType = UNSET
    retry_after_ms: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class Error(msgspec.Struct, frozen=True):
    """A refusal on a socket: in an ack, in `session.error`, or as the `data` of a refused connect."""

    code: str
    message: str
    trace_id: str
    effect: Effect
    fields: dict[str, str] | UnsetType = UNSET
    retry_after_ms: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


def by_status(kinds: Iterable[type[Refused]]) -> Mapping[int, list[type[Refused]]]:
    """The refusals of one operation, by the HTTP status each is told with; every code once."""
    found: dict[int, list[type[Refused]]] = {}
    for kind in _once(kinds):
        found.setdefault(_status(kind), []).append(kind)
    return dict(sorted(found.items()))


def listed(kinds: Iterable[type[Refused]]) -> list[dict[str, Any]]:
    """What both documents say of each code."""
    return [
        {"code": kind.code, "status": _status(kind), "message": kind.message, "retry": kind.retry}
        for kind in sorted(_once(kinds), key=lambda kind: kind.code)
    ]


def refusal_example(kind: type[Refused]) -> Refused:
    """One of that kind, as it might be met."""
    one = kind.__new__(kind)  # what a refusal knows beside this, it was told where it was made
    fields = {"title": "is missing"} if kind is why.Invalid else None
    Refused.__init__(one, fields=fields, retry_after_ms=1200 if kind.retry else None)
    return one


def _once(kinds: Iterable[type[Refused]]) -> Iterator[type[Refused]]:
    return iter({kind.code: kind for kind in reversed(list(kinds))}.values())


def _status(kind: type[Refused]) -> int:
    return int(problems.status_of(kind.code) or 422)
