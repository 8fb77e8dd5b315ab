"""When the next proposal lapses: the session is told then, while it is awake; one that wakes later looks by itself."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from actors.domain.actions import Action
from actors.runtime.envelope import Refused
from actors.runtime.ref import Ref

LONGEST: Final = 3600.0
"""Seconds after which the clock is looked at again: a machine may have slept."""
AGAIN: Final = 5.0
"""Seconds after which what could not be kept is tried again."""


class Lapsed(msgspec.Struct, frozen=True):
    """The session's own message: some of its proposals may be too old now."""


class Expiry:
    """One timer, and no child: who only waits for a day to pass may retire meanwhile."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def settle(self, me: Ref, actions: Iterable[Action], now: datetime, *, soonest: float = 0.0) -> None:
        """Wait for the first of these to lapse, but so many seconds at least."""
        self.close()
        due = next_lapse(actions)
        if due is not None:
            seconds = min(max((due - now).total_seconds(), soonest), LONGEST)
            self._timer = asyncio.get_running_loop().call_later(seconds, _tell, me)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def next_lapse(actions: Iterable[Action]) -> datetime | None:
    """When the first of these lapses."""
    return min(_pending(actions).values(), default=None)


def lapsed(actions: Iterable[Action], now: datetime) -> list[str]:
    """The ids of the proposals that are too old."""
    return [action_id for action_id, due in _pending(actions).items() if due <= now]


def _pending(actions: Iterable[Action]) -> dict[str, datetime]:
    return {
        action.id: action.expires_at
        for action in actions
        if action.state == "pending" and action.expires_at is not None
    }


def _tell(me: Ref) -> None:
    with suppress(Refused):  # full or ending: whoever is next to settle looks again
        me.tell(Lapsed())
