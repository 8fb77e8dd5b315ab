"""What a device did offline, in one request."""

from typing import Final

from aiohttp import web

from actors.domain.refusals import RateLimited, TooLarge
from transport import ops
from transport.rest.doors import DOORS, IDENTITY, TRACE
from transport.rest.routes import Route


async def carry_out(request: web.Request, given: ops.Ops) -> ops.Results:
    doors, user_id = request.app[DOORS], request[IDENTITY].user_id
    session = doors.sessions.session(user_id)
    return await ops.carry_out(session, user_id, given.ops, ask=doors.limits.ask, trace=request[TRACE])


ROUTES: Final = (
    Route(
        "POST",
        "/v1/ops",
        "ops",
        carry_out,
        "What a device did offline, in order; each command has an answer of its own",
        body=ops.Ops,
        answer=ops.Results,
        refuses=(TooLarge, RateLimited),
    ),
)
