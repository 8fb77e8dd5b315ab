"""How REST handlers ask the caller's session and say what it answered."""

import hashlib
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import hdrs, web

from actors.commands import Command, Id
from actors.domain.refusals import Invalid, NotFound, Unauthenticated
from actors.journal.journaled import Accepted, Order
from transport import wire
from transport.rest.doors import CID, DOORS, IDENTITY, TRACE


async def ask(request: web.Request, message: Any) -> Any:
    """Ask the caller's session. Raises what it refuses with."""
    doors = request.app[DOORS]
    session = doors.sessions.session(request[IDENTITY].user_id)
    return await session.ask(message, timeout=doors.limits.ask, trace=request[TRACE])


async def order(
    request: web.Request,
    command: Command,
    status: int = HTTPStatus.OK,
    *,
    head: int | None = None,
    tagged: str | None = None,
) -> web.Response:
    """Have a command carried out for the caller; the answer of the command and the seq it left.

    With a `head`, only while the caller's log ends there: else Precondition. `tagged` is the field the ETag is of.
    """
    accepted: Accepted = await ask(request, Order(request[IDENTITY].user_id, request[CID], command, head=head))
    packed = wire.pack(accepted.answer)
    response = answer({**packed, "seq": accepted.seq}, status)
    if tagged is not None:
        response.headers[hdrs.ETAG] = tag_of(packed[tagged])
    if accepted.repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def tag_of(packed: Any) -> str:
    """A strong ETag: another one for everything an app could see a difference in."""
    return f'"{hashlib.blake2b(msgspec.json.encode(packed), digest_size=12).hexdigest()}"'


def named(request: web.Request, header: str, tag: str) -> bool:
    """Whether the header lists this tag, or any there is."""
    listed = [one.strip() for value in request.headers.getall(header, ()) for one in value.split(",")]
    return tag in listed or "*" in listed


def answer(thing: object, status: int = HTTPStatus.OK) -> web.Response:
    """`thing` as JSON."""
    return web.Response(status=status, body=wire.dump(thing), content_type="application/json")


def bearer(request: web.Request) -> str:
    """The token the request brings. Raises Unauthenticated."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token.strip()


def ids_in_path(request: web.Request) -> dict[str, str]:
    """The ids a path names. What is no id names nothing: NotFound, as for a stranger's."""
    try:
        return wire.read(dict[str, Id], dict(request.match_info))
    except Invalid:
        raise NotFound from None


def id_in_path(request: web.Request) -> str:
    """The only id a path names. Raises NotFound."""
    (found,) = ids_in_path(request).values()
    return found
