"""When the next proposal lapses: the session is told then, while it is awake; one that wakes later looks by itself."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import msgspec

from actors.commands import ExpireAction
from actors.domain.actions import OPEN, Action
from actors.domain.conversation import COACH
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.runtime.journal import Outside
from actors.runtime.journaled import Accepted, Order
from actors.runtime.ref import Ref
from actors.session.state import State

LONGEST: Final = 3600.0
"""Seconds after which the clock is looked at again: a machine may have slept."""
AGAIN: Final = 5.0
"""Seconds after which what could not be kept is tried again."""


class Lapsed(msgspec.Struct, frozen=True):
    """The session's own message: some of its proposals may be too old now."""


class Host(Protocol):
    """The session, as far as its proposals need it."""

    outside: Outside
    state: State
    me: Ref

    async def accept(self, order: Order) -> Accepted: ...


class Expiry:
    """One timer, and no child: who only waits for a day to pass may retire meanwhile. Lives in its session's task."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._timer: asyncio.TimerHandle | None = None

    def settle(self, *, soonest: float = 0.0) -> None:
        """Wait for the first proposal to lapse, but so many seconds at least."""
        self.close()
        due = next_lapse(self._host.state.actions.values())
        if due is not None:
            seconds = min(max((due - self._host.outside.timers.now()).total_seconds(), soonest), LONGEST)
            self._timer = asyncio.get_running_loop().call_later(seconds, _tell, self._host.me)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def lapse(self, _: Lapsed) -> None:
        """What can't be kept now is tried again."""
        soonest = 0.0
        try:
            for action_id in self._late():
                await self._host.accept(Order(COACH, derived(action_id, "expire"), ExpireAction(action_id)))
        except Refused:
            soonest = AGAIN
        self.settle(soonest=soonest)

    def still_open(self) -> list[Action]:
        """What the user can still say something to, the newest first."""
        late = self._late()
        actions = self._host.state.actions.values()
        return [action for action in actions if action.state in OPEN and action.id not in late][::-1]

    def _late(self) -> list[str]:
        """The ids of the proposals that are too old."""
        now = self._host.outside.timers.now()
        return [action_id for action_id, due in _pending(self._host.state.actions.values()).items() if due <= now]


def next_lapse(actions: Iterable[Action]) -> datetime | None:
    """When the first of these lapses."""
    return min(_pending(actions).values(), default=None)


def _pending(actions: Iterable[Action]) -> dict[str, datetime]:
    return {
        action.id: action.expires_at
        for action in actions
        if action.state == "pending" and action.expires_at is not None
    }


def _tell(me: Ref) -> None:
    with suppress(Refused):  # full or ending: whoever is next to settle looks again
        me.tell(Lapsed())
