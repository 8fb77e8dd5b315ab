"""Who is there, asked over HTTP: of many people at once, or of one."""

from typing import Final

from aiohttp import web

from actors.domain.presence import Presence
from actors.domain.refusals import NotFound, RateLimited
from transport.presence import People, PeopleAsked
from transport.rest.asking import id_in_path
from transport.rest.doors import DOORS, IDENTITY, TRACE
from transport.rest.routes import Route


async def query(request: web.Request, body: PeopleAsked) -> People:
    return await request.app[DOORS].presences.of(request[IDENTITY].user_id, body.user_ids, request[TRACE])


async def show(request: web.Request) -> Presence:
    """Raises NotFound for whoever does not show it to the caller, as for nobody at all."""
    found = await request.app[DOORS].presences.of(request[IDENTITY].user_id, [id_in_path(request)], request[TRACE])
    if not found.items:
        raise NotFound
    return found.items[0]


ROUTES: Final = (
    Route(
        "POST",
        "/v1/presence/query",
        "presence.query",
        query,
        "Who of these people is online, away, or was last seen when; those who hide it are left out",
        body=PeopleAsked,
        answer=People,
        refuses=(RateLimited,),
    ),
    Route(
        "GET",
        "/v1/people/{user_id}/presence",
        "presence.get",
        show,
        "Whether somebody is online, away, or was last seen when",
        answer=Presence,
        refuses=(NotFound, RateLimited),
    ),
)
