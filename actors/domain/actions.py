"""Actions: what the coach asked its tools for. What adds is done at once and can be undone; the rest waits for a word."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.domain.goals import Goal
from actors.domain.private import PrivateText

Outcome = Literal["confirmed", "declined", "expired", "undone", "failed"]
ActionState = Literal["pending", "done", "confirmed", "declined", "expired", "undone", "failed"]
OPEN: Final = frozenset({"pending", "done"})
"""What a user can still say something to: confirm or decline, or undo."""

WAITS: Final = timedelta(hours=24)
"""How long a pending action waits for the user's word."""
UNDO_SHOWN: Final = timedelta(seconds=30)
"""How long apps show the way to undo prominently; it works for longer."""
MAX_PENDING: Final = 32
KEPT: Final = 100
"""How many actions that are not pending the state holds; the oldest go first, and can't be undone from then on."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action as apps see it.

    pending: nothing has happened; `body` is the `command`'s as JSON text, and `grounds` stands for what the summary
    rests on: should that have changed, the action fails. done: it has happened; `before` is the goal as it was, None
    when there was none, `after` as the tool left it, `day` the user's local day it counts for. `problem` is the code of what a failed one was refused with.
    """

    id: str
    reply_id: str
    tool: str
    command: str
    summary: PrivateText
    goal_id: str
    state: ActionState
    created_at: Annotated[datetime, Meta(tz=True)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    undo_shown_until: Annotated[datetime, Meta(tz=True)] | None = None
    problem: str | None = None
    body: PrivateText | None = None
    grounds: str | None = None
    before: Goal | None = None
    after: Goal | None = None
    day: date | None = None


def held(actions: dict[str, Action]) -> dict[str, Action]:
    """What of these, oldest first, the state keeps."""
    settled = [action.id for action in actions.values() if action.state != "pending"]
    gone = set(settled[: max(0, len(settled) - KEPT)])
    return {action.id: action for action in actions.values() if action.id not in gone} if gone else actions


def lapses(actions: Iterable[Action]) -> dict[str, datetime]:
    """When each of those that wait for a word has waited long enough, by id."""
    return {
        action.id: action.expires_at
        for action in actions
        if action.state == "pending" and action.expires_at is not None
    }


def still_open(actions: Iterable[Action], now: datetime) -> list[Action]:
    """What the user can still say something to, the newest first."""
    return [
        action
        for action in actions
        if action.state in OPEN and not (action.state == "pending" and action.expires_at and action.expires_at <= now)
    ][::-1]
