"""When it is kept that somebody was there: seldom, at once when they go, and never of those who hide it."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.domain.addresses import session_address
from actors.domain.presence import Audience, Standing, State
from actors.ports import Seen
from actors.runtime.envelope import Unavailable
from actors.session.standings import Standings, kept
from tests.virtual import run_virtually

START = datetime(2026, 3, 1, tzinfo=UTC)
AGAIN = timedelta(minutes=15)
EVERY = 30.0


class Kept:
    """`PresenceRows` in memory: what was written, write by write."""

    def __init__(self) -> None:
        self.writes: list[dict[str, datetime]] = []
        self.away = False

    async def keep(self, seen: Mapping[str, datetime]) -> None:
        if self.away:
            raise Unavailable
        self.writes.append(dict(seen))

    async def get(self, user_ids: Collection[str]) -> Mapping[str, Seen]:
        raise AssertionError(user_ids)


class User:
    """There until they are told to go."""

    def __init__(self, to: Audience = "everybody") -> None:
        self.to: Audience = to
        self.state: State = "online"
        self.left: datetime | None = None
        self.drift = timedelta()

    def look(self) -> Standing:
        """The clocks drift a little between two looks."""
        self.drift += timedelta(microseconds=50)
        return Standing(self.state, self.to, (self.left or now()) + self.drift)

    def go(self) -> None:
        self.state, self.left = "offline", now()


def now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


def story(tell: Any) -> Kept:
    rows = Kept()

    async def main() -> None:
        standings = Standings()
        async with kept(standings, rows, lambda *_: None, every=EVERY, again=AGAIN):
            await tell(standings, rows)

    run_virtually(main())
    return rows


def test_an_hour_online_is_kept_every_quarter_and_going_at_once() -> None:
    ann, eve = User(), User("nobody")

    async def tell(standings: Standings, rows: Kept) -> None:
        standings.enter(session_address("ann"), ann.look)
        standings.enter(session_address("eve"), eve.look)
        await asyncio.sleep(3_600)
        assert [list(write) for write in rows.writes] == [["ann"]] * 4
        ann.go()
        eve.go()
        await asyncio.sleep(EVERY + 1)
        assert ann.left is not None
        (gone,) = rows.writes[4:]
        assert timedelta() <= gone["ann"] - ann.left < timedelta(seconds=0.1)
        await asyncio.sleep(3_600)
        assert len(rows.writes) == 5

    story(tell)


def test_what_ended_sessions_leave_is_kept_at_the_end_and_survives_that_the_store_is_away() -> None:
    ann = User()

    async def tell(standings: Standings, rows: Kept) -> None:
        rows.away = True
        standings.enter(session_address("ann"), ann.look)
        await asyncio.sleep(EVERY * 3)
        looked = standings.of("ann")
        assert looked is not None
        assert looked.state == "online"
        standings.leave(session_address("ann"))
        assert standings.of("ann") is None
        ann.left = now()
        rows.away = False

    (write,) = story(tell).writes
    assert ann.left is not None
    assert abs(write["ann"] - ann.left) < timedelta(seconds=0.1)


def test_a_thousand_are_kept_in_a_few_writes() -> None:
    async def tell(standings: Standings, _: Kept) -> None:
        for number in range(1_000):
            standings.enter(session_address(f"u{number}"), User().look)
        await asyncio.sleep(EVERY + 1)

    rows = story(tell)
    assert [len(write) for write in rows.writes] == [500, 500]
