"""Who of a node's sessions has devices: looked at when somebody asks, and what is to outlast them kept now and then."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog

from actors.domain.addresses import owner
from actors.domain.presence import Standing
from actors.ports import PresenceRows
from actors.runtime.envelope import Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned

MOST: Final = 100_000
"""Users who are to be kept; while the store is away those beyond are not."""
TOGETHER: Final = 500
SAME: Final = timedelta(seconds=1)
"""Two looks at the same going differ by less: it is counted by another clock than it is told by."""
LAST_WORDS: Final = 2.0

Look = Callable[[], Standing]
log = structlog.get_logger(__name__)


class Standings:
    """A session enters when it wakes and leaves when it ends; nothing is written for a device that only stays."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {}
        self._kept: dict[str, datetime] = {}
        self._due: dict[str, datetime] = {}

    def enter(self, address: str, look: Look) -> None:
        self._looks[owner(address)] = look

    def leave(self, address: str) -> None:
        user_id = owner(address)
        look = self._looks.pop(user_id, None)
        if look is not None:
            self._note(user_id, look(), SAME)
        self._kept.pop(user_id, None)

    def of(self, user_id: str) -> Standing | None:
        """None for somebody who is not awake here, and for one of whom no device was seen since."""
        look = self._looks.get(user_id)
        standing = None if look is None else look()
        return None if standing is None or standing.seen_at is None else standing

    async def keep(self, rows: PresenceRows, again: timedelta) -> None:
        """Who went is kept at once, who stays after that time again; who shows it to nobody never. Raises Unavailable."""
        for number, (user_id, look) in enumerate(list(self._looks.items())):
            if user_id in self._looks:
                self._note(user_id, look(), again)
            if number % TOGETHER == 0:
                await asyncio.sleep(0)
        while self._due:
            some = {user_id: self._due[user_id] for user_id, _ in zip(list(self._due), range(TOGETHER), strict=False)}
            await rows.keep(some)
            for user_id, seen_at in some.items():
                self._written(user_id, seen_at)

    def _note(self, user_id: str, standing: Standing, again: timedelta) -> None:
        seen_at, kept = standing.seen_at, self._kept.get(user_id)
        if seen_at is None or standing.audience == "nobody":
            return
        gone = standing.state == "offline" and (kept is None or seen_at - kept > SAME)
        if (gone or kept is None or seen_at - kept >= again) and (user_id in self._due or len(self._due) < MOST):
            self._due[user_id] = seen_at

    def _written(self, user_id: str, seen_at: datetime) -> None:
        if self._due.get(user_id) == seen_at:
            del self._due[user_id]
        if user_id in self._looks:
            self._kept[user_id] = seen_at


@asynccontextmanager
async def kept(
    standings: Standings, rows: PresenceRows, report: Report, *, every: float, again: timedelta
) -> AsyncIterator[None]:
    """Looks every so many seconds; what the sessions of a node left behind when they ended is kept at the end."""

    async def keep_for_ever() -> None:
        while True:
            await asyncio.sleep(every)
            await _try(standings, rows, again)

    async with owned(keep_for_ever(), "presence.keep", report):
        yield
    try:
        async with asyncio.timeout(LAST_WORDS):
            await _try(standings, rows, again)
    except TimeoutError:
        log.info("presence.not_kept", code="timeout")


async def _try(standings: Standings, rows: PresenceRows, again: timedelta) -> None:
    """In vain: the next time."""
    try:
        await standings.keep(rows, again)
    except Unavailable as why:
        log.info("presence.not_kept", code=why.code)
