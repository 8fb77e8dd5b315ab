"""Goals over REST: lists are read from the rows, everything else is a command to the caller's session."""

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.domain.goals import Goal, Status
from actors.domain.refusals import NotFound
from actors.ports import Page
from actors.questions import GoalShown, ShowGoal
from transport.rest.asking import ask, id_in_path
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.routes import Route, by_command
from transport.rest.tags import Guard


class GoalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=500)] | None = None
    status: Status | None = None


class GoalPage(msgspec.Struct, frozen=True):
    """Newest first; `next_cursor` is null on the last page."""

    items: tuple[Goal, ...]
    next_cursor: str | None


async def list_(request: web.Request, query: GoalQuery) -> Page:
    rows = request.app[DOORS].goals
    return await rows.list(request[IDENTITY].user_id, limit=query.limit, cursor=query.cursor, status=query.status)


async def get(request: web.Request) -> Goal:
    goal = await request.app[DOORS].goals.get(request[IDENTITY].user_id, id_in_path(request))
    if goal is None:
        raise NotFound
    return goal


async def read(request: web.Request) -> tuple[Goal, int]:
    shown: GoalShown = await ask(request, ShowGoal(id_in_path(request)))
    return shown.goal, shown.seq


_GUARD: Final = Guard(read, "goal")
ROUTES: Final = (
    Route("GET", "/v1/goals", "goal.list", list_, "The goals, newest first", query=GoalQuery, answer=GoalPage),
    by_command("POST", "/v1/goals", "goal.create", status=HTTPStatus.CREATED),
    Route("GET", "/v1/goals/{goal_id}", "goal.get", get, "One goal", answer=Goal, refuses=(NotFound,), tagged=True),
    by_command("PATCH", "/v1/goals/{goal_id}", "goal.change", guard=_GUARD),
    by_command("DELETE", "/v1/goals/{goal_id}", "goal.remove", guard=Guard(read)),
    by_command("POST", "/v1/goals/{goal_id}/move", "goal.move", guard=_GUARD),
    by_command("POST", "/v1/goals/{goal_id}/progress", "goal.progress", guard=_GUARD),
    by_command("POST", "/v1/goals/{goal_id}/complete", "goal.complete", guard=_GUARD),
    by_command("POST", "/v1/goals/{goal_id}/reopen", "goal.reopen", guard=_GUARD),
)
