"""How REST handlers ask the caller's session and say what it answered."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from actors.commands import Command, Id
from actors.domain.refusals import Invalid, NotFound
from actors.runtime.journaled import Accepted, Order
from transport import wire
from transport.rest.doors import CID, DOORS, IDENTITY, TRACE


async def ask(request: web.Request, message: Any) -> Any:
    """Ask the caller's session. Raises what it refuses with."""
    doors = request.app[DOORS]
    session = doors.sessions.session(request[IDENTITY].user_id)
    return await session.ask(message, timeout=doors.limits.ask, trace=request[TRACE])


async def order(request: web.Request, command: Command, status: int = HTTPStatus.OK) -> web.Response:
    """Have a command carried out for the caller; the answer of the command and the seq it left."""
    accepted: Accepted = await ask(request, Order(request[IDENTITY].user_id, request[CID], command))
    response = answer({**wire.pack(accepted.answer), "seq": accepted.seq}, status)
    if accepted.repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def answer(thing: object, status: int = HTTPStatus.OK) -> web.Response:
    """`thing` as JSON."""
    return web.Response(status=status, body=wire.dump(thing), content_type="application/json")


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
