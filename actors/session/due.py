"""What a session does by itself when its time comes: a table of kinds, one timer, and so many at a time."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import msgspec

from actors.commands import Command, ExpireAction, ExpireExport
from actors.domain.actions import lapses
from actors.domain.conversation import COACH
from actors.domain.exports import expiring
from actors.journal.journal import Outside
from actors.journal.journaled import Accepted, Order
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.runtime.ref import Ref
from actors.session.state import State

LONGEST: Final = 3600.0
"""Seconds after which the clock is looked at again: a machine may have slept."""
AGAIN: Final = 5.0
"""Seconds after which what could not be kept is tried again."""
TOGETHER: Final = 20
"""So many are done in one turn of the session; whoever waits in its mailbox comes between them."""


class DueKind(msgspec.Struct, frozen=True):
    """`waiting` says when each is due, by id, until an event takes it out; `order` is what the session then asks of itself."""

    waiting: Callable[[State], Mapping[str, datetime]]
    order: Callable[[str], Command]


DUE: Final[dict[str, DueKind]] = {
    "expire": DueKind(lambda state: lapses(state.actions.values()), ExpireAction),
    "export.expire": DueKind(lambda state: expiring(state.background.exports.values()), ExpireExport),
}
"""By name, which with the id makes the cid: whoever does it, and however often, it has one effect."""

_Due = tuple[datetime, str, str]
"""When, which kind, which one of it."""


class Lapsed(msgspec.Struct, frozen=True):
    """The session's own message: something may be due now."""


class Host(Protocol):
    """The session, as far as what is due needs it."""

    address: str
    outside: Outside
    state: State
    me: Ref

    async def accept(self, order: Order) -> Accepted: ...


class Agenda:
    """One timer, and no child: who only waits for a day to pass may retire meanwhile. Lives in its session's task."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._timer: asyncio.TimerHandle | None = None
        self._refused: set[tuple[str, str]] = set()
        self._at_it = False

    def settle(self, *, soonest: float = 0.0) -> None:
        """Wait for what is due first, but so many seconds at least."""
        self.close()
        if self._at_it:  # else what each commit sets would come before whoever waits
            return
        first = min((at for at, *_ in self._waiting()), default=None)
        if first is not None:
            seconds = min(max((first - self._host.outside.timers.now()).total_seconds(), soonest), LONGEST)
            self._timer = asyncio.get_running_loop().call_later(seconds, _tell, self._host.me)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def lapse(self, _: Lapsed) -> None:
        """The oldest first. What can't be kept now is tried again; what is refused for good holds nobody up."""
        self._at_it = True
        try:
            soonest = await self._do()
        finally:
            self._at_it = False
        self.settle(soonest=soonest)

    async def _do(self) -> float:
        """Seconds until it makes sense to go on."""
        now = self._host.outside.timers.now()
        for at, kind, name in sorted(self._waiting())[:TOGETHER]:
            if at > now:
                break
            try:
                await self._host.accept(Order(COACH, derived(name, kind), DUE[kind].order(name)))
            except Refused as why:
                if why.retry:
                    return AGAIN
                self._refuse(kind, name, why)
        return 0.0

    def _waiting(self) -> Iterator[_Due]:
        return (one for one in _waiting(self._host.state) if one[1:] not in self._refused)

    def _refuse(self, kind: str, name: str, why: Refused) -> None:
        """A bug: it should have been taken out by an event. It rests until the session wakes anew."""
        self._refused.add((kind, name))
        self._host.outside.report("due.refused", {"address": self._host.address, "kind": kind, "code": why.code})


def next_due(state: State) -> datetime | None:
    """When the clock has to wake the session, should it sleep."""
    return min((at for at, *_ in _waiting(state)), default=None)


def _waiting(state: State) -> Iterator[_Due]:
    """All that is due some day."""
    return ((at, kind, name) for kind, due in DUE.items() for name, at in due.waiting(state).items())


def _tell(me: Ref) -> None:
    with suppress(Refused):  # full or ending: whoever is next to settle looks again
        me.tell(Lapsed())
