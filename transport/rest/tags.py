"""ETags, and changes only to what an app has seen: lost updates are refused (RFC 9110, 8.8.3 and 13.1)."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from actors.commands import Command
from actors.domain.refusals import Precondition
from actors.runtime.envelope import Overloaded
from transport import wire
from transport.rest.asking import named, order, tag_of

Read = Callable[[web.Request], Awaitable[tuple[object, int]]]
"""The thing a request is about, as its session has it now, and the head of the log then."""

_ATTEMPTS: Final = 5
_NEVER: Final = -1
"""A head no log has: only what was accepted before, under the same cid, is answered."""


@dataclasses.dataclass(frozen=True, slots=True)
class Guard:
    """`read` reads a thing as it is before a command; `field` of the answer is what it is afterwards, if it still is."""

    read: Read
    field: str | None = None


async def order_as_seen(request: web.Request, command: Command, status: int, guard: Guard) -> web.Response:
    """Carry out a command if the thing is still what `If-Match` says. Raises Precondition, Overloaded.

    The log must not have moved between the look and the decision; whatever else moved it is looked past, and so often.
    """
    for _ in range(_ATTEMPTS):
        thing, head = await guard.read(request)
        as_seen = named(request, hdrs.IF_MATCH, tag_of(wire.pack(thing)))
        try:
            return await order(request, command, status, tagged=guard.field, head=head if as_seen else _NEVER)
        except Precondition:
            if not as_seen:
                raise
    raise Overloaded(retry_after_ms=200)
