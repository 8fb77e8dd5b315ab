"""The caller's own profile, and the snapshot a device starts from when the log can't take it there."""

from typing import Any

from aiohttp import web

from actors.domain.conversation import COACH, HISTORY
from actors.ports import Page
from actors.questions import Shown, ShowProfile
from transport import wire
from transport.rest.asking import answer, ask, order
from transport.rest.doors import DOORS, IDENTITY


async def show(request: web.Request) -> web.Response:
    shown: Shown = await ask(request, ShowProfile())
    return answer(shown.profile)


async def change(request: web.Request) -> web.Response:
    return await order(request, wire.read_request("profile.change", await request.read()))


async def snapshot(request: web.Request) -> web.Response:
    """`{seq, profile, goals, messages}`: everything a device shows, at least as new as `seq`; go on from there."""
    shown: Shown = await ask(request, ShowProfile())
    user_id = request[IDENTITY].user_id
    messages = await request.app[DOORS].messages.list(user_id, thread=COACH, before=None, limit=HISTORY)
    goals = await _all_goals(request, user_id)
    return answer({"seq": shown.seq, "profile": shown.profile, "goals": goals, "messages": messages})


async def _all_goals(request: web.Request, user_id: str) -> list[Any]:
    """Their number is bounded by the domain (MAX_GOALS)."""
    rows, goals = request.app[DOORS].goals, list[Any]()
    page = Page((), "")
    while page.next_cursor is not None:
        page = await rows.list(user_id, limit=100, cursor=page.next_cursor or None, status=None)
        goals.extend(page.items)
    return goals


ROUTES = [
    web.get("/v1/me", show),
    web.patch("/v1/me", change),
    web.get("/v1/me/snapshot", snapshot),
]
