"""The caller's own profile, and the snapshot a device starts from when the log can't take it there."""

from typing import Any, Final

import msgspec
from aiohttp import web

from actors.domain.actions import Action
from actors.domain.conversation import COACH, HISTORY, Message, Reading
from actors.domain.goals import Goal
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound
from actors.ports import Page
from actors.questions import ActionsShown, ShowActions, Shown, ShowProfile, ShowThreads, ThreadsShown
from transport.rest.asking import ask
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.routes import Route, by_command
from transport.rest.tags import Guard


class Snapshot(msgspec.Struct, frozen=True):
    """Everything a device shows, at least as new as `seq`; it goes on from there."""

    seq: int
    profile: Profile
    goals: tuple[Goal, ...]
    messages: tuple[Message, ...]
    actions: tuple[Action, ...]
    threads: tuple[Reading, ...] = ()


async def show(request: web.Request) -> Profile:
    shown: Shown = await ask(request, ShowProfile())
    return shown.profile


async def snapshot(request: web.Request) -> Snapshot:
    shown: Shown = await ask(request, ShowProfile())
    user_id = request[IDENTITY].user_id
    messages = await request.app[DOORS].messages.list(user_id, thread=COACH, before=None, limit=HISTORY)
    goals = await _all_goals(request, user_id)
    still_open: ActionsShown = await ask(request, ShowActions())
    reading: ThreadsShown = await ask(request, ShowThreads())
    shelves = (tuple(goals), tuple(messages), tuple(still_open.actions), tuple(reading.threads))
    return Snapshot(shown.seq, shown.profile, *shelves)


async def _all_goals(request: web.Request, user_id: str) -> list[Any]:
    """Their number is bounded by the domain (MAX_GOALS)."""
    rows, goals = request.app[DOORS].goals, list[Any]()
    page = Page((), "")
    while page.next_cursor is not None:
        page = await rows.list(user_id, limit=100, cursor=page.next_cursor or None, status=None)
        goals.extend(page.items)
    return goals


async def read(request: web.Request) -> tuple[Profile, int]:
    shown: Shown = await ask(request, ShowProfile())
    return shown.profile, shown.seq


_MISSING: Final = (NotFound,)
ROUTES: Final = (
    Route("GET", "/v1/me", "profile.get", show, "Who I am", answer=Profile, refuses=_MISSING, tagged=True),
    by_command("PATCH", "/v1/me", "profile.change", guard=Guard(read, "profile")),
    Route(
        "GET",
        "/v1/me/snapshot",
        "profile.snapshot",
        snapshot,
        "All a device starts from when the log can't take it on",
        answer=Snapshot,
        refuses=_MISSING,
    ),
)
