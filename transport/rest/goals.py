"""Goals over REST: lists are read from the rows, everything else is a command to the caller's session."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.domain.goals import Cascade, Status
from actors.domain.refusals import NotFound
from transport import wire
from transport.rest.asking import answer, id_in_path, order
from transport.rest.doors import DOORS, IDENTITY


class GoalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=500)] | None = None
    status: Status | None = None


class RemoveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cascade: Cascade = "none"


async def list_(request: web.Request) -> web.Response:
    """`{items, next_cursor}`, newest first."""
    query = wire.read_query(GoalQuery, request.query)
    rows = request.app[DOORS].goals
    page = await rows.list(
        request[IDENTITY].user_id,
        limit=query.limit,
        cursor=query.cursor,
        status=query.status,
    )
    return answer(page)


async def create(request: web.Request) -> web.Response:
    return await order(request, wire.read_request("goal.create", await request.read()), HTTPStatus.CREATED)


async def get(request: web.Request) -> web.Response:
    goal = await request.app[DOORS].goals.get(request[IDENTITY].user_id, id_in_path(request))
    if goal is None:
        raise NotFound
    return answer(goal)


async def remove(request: web.Request) -> web.Response:
    query = wire.read_query(RemoveQuery, request.query)
    command = wire.read_request("goal.remove", await request.read(), goal_id=id_in_path(request), cascade=query.cascade)
    return await order(request, command)


async def change(request: web.Request) -> web.Response:
    return await _command(request, "goal.change")


async def move(request: web.Request) -> web.Response:
    return await _command(request, "goal.move")


async def progress(request: web.Request) -> web.Response:
    return await _command(request, "goal.progress")


async def complete(request: web.Request) -> web.Response:
    return await _command(request, "goal.complete")


async def reopen(request: web.Request) -> web.Response:
    return await _command(request, "goal.reopen")


async def _command(request: web.Request, name: str) -> web.Response:
    goal_id = id_in_path(request)
    return await order(request, wire.read_request(name, await request.read(), goal_id=goal_id))


ROUTES = [
    web.get("/v1/goals", list_),
    web.post("/v1/goals", create),
    web.get("/v1/goals/{id}", get),
    web.patch("/v1/goals/{id}", change),
    web.delete("/v1/goals/{id}", remove),
    web.post("/v1/goals/{id}/move", move),
    web.post("/v1/goals/{id}/progress", progress),
    web.post("/v1/goals/{id}/complete", complete),
    web.post("/v1/goals/{id}/reopen", reopen),
]
