"""Who asks for many at once costs a question to each node and one to the store, and learns only what they may."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.attendance import Attendance
from actors.domain.addresses import session_address
from actors.domain.presence import Audience, Presence, Standing
from actors.domain.rate_limit import Limit
from actors.domain.refusals import RateLimited
from actors.ports import Seen
from actors.questions import ShowPresences
from actors.runtime.envelope import Envelope, Unavailable
from actors.session.standings import Standings
from tests.test_directory import Places, Station
from tests.virtual import run_virtually
from transport.limits import Gate, HereCounters, Limits
from transport.presence import Presences, Rationed

NOW = datetime(2026, 3, 1, 12, 34, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
COARSE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class Clock:
    def now(self) -> datetime:
        return NOW


class Rows:
    """The far end of the store; it counts what it is asked."""

    def __init__(self, seen: Mapping[str, Seen]) -> None:
        self.seen, self.asked, self.away = seen, list[int](), False

    async def keep(self, seen: Mapping[str, datetime]) -> None:
        raise AssertionError(seen)

    async def get(self, user_ids: Collection[str]) -> Mapping[str, Seen]:
        self.asked.append(len(user_ids))
        if self.away:
            raise Unavailable
        return {user: self.seen[user] for user in user_ids if user in self.seen}


class Looking(Station):
    """A node whose mesh counts what is asked of each other node."""

    def __init__(self, name: str, places: Places) -> None:
        super().__init__(name, places)
        self.sent: Counter[str] = Counter()
        self.standings = Standings()
        self.directory.attend = Attendance(self.system, self.standings).take

    def send(self, node: str, address: str, envelope: Envelope) -> None:
        assert isinstance(envelope.message, ShowPresences)
        self.sent[node] += 1
        super().send(node, address, envelope)

    def has(self, user: str, to: Audience, state: Any = "online") -> None:
        self._places.holders[session_address(user)] = self.name
        self.standings.enter(session_address(user), lambda: Standing(state, to, NOW))

    async def holders(self, addresses: Sequence[str]) -> Sequence[str | None]:
        return [self._places.holders.get(address) for address in addresses]


def fleet(rows: Rows) -> tuple[Looking, Looking, Looking, Presences]:
    places = Places()
    a, b, c = (Looking(name, places) for name in "abc")
    return a, b, c, Presences(a.directory, a, rows, Clock(), 30.0)


def test_a_thousand_people_cost_one_question_to_each_node_and_one_to_the_store() -> None:
    async def main() -> None:
        rows = Rows({f"u{n}": Seen("everybody", EARLIER) for n in range(900, 1_000)})
        a, b, c, presences = fleet(rows)
        for number in range(900):
            (a, b, c)[number % 3].has(f"u{number}", "everybody")
        people = [f"u{number}" for number in range(1_000)]
        found = (await presences.of("eve", people)).items
        assert [one.user_id for one in found] == people
        assert Counter(one.state for one in found) == {"online": 900, "offline": 100}
        assert found[950] == Presence("u950", "offline", COARSE)
        assert a.sent == {"b": 1, "c": 1}
        assert rows.asked == [100]

    run_virtually(main())


def test_a_stranger_learns_the_same_of_who_hides_it_and_of_nobody() -> None:
    async def main() -> None:
        rows = Rows({"asleep": Seen("nobody", NOW), "friend": Seen("connections", NOW), "open": Seen("everybody", NOW)})
        _, b, __, presences = fleet(rows)
        b.has("hidden", "nobody")
        b.has("shy", "connections", "away")
        everyone = ["hidden", "shy", "asleep", "friend", "nobody", "open"]
        assert (await presences.of("eve", everyone)).items == [Presence("open", "away")]
        assert (await presences.of("hidden", everyone)).items[0] == Presence("hidden", "online")
        assert (await presences.of("asleep", ["asleep"])).items == [Presence("asleep", "away")]

    run_virtually(main())


def test_a_node_that_hangs_or_is_gone_holds_up_nobody_for_long() -> None:
    async def main() -> None:
        rows = Rows({"ann": Seen("everybody", EARLIER)})
        _, b, c, presences = fleet(rows)
        b.has("ann", "everybody")
        c.has("bo", "everybody")
        b.directory.attend = lambda _: None
        began = asyncio.get_running_loop().time()
        found = (await presences.of("eve", ["ann", "bo"])).items
        assert found == [Presence("ann", "offline", COARSE), Presence("bo", "online")]
        assert asyncio.get_running_loop().time() - began < 3
        rows.away = True
        assert (await presences.of("eve", ["bo"])).items == [Presence("bo", "online")]
        with pytest.raises(Unavailable):
            await presences.of("eve", ["ann"])

    run_virtually(main())


def test_whoever_asks_too_often_is_told_when_to_come_again_and_nobody_else_is() -> None:
    async def main() -> None:
        rows = Rows({"ann": Seen("everybody", EARLIER)})
        *_, presences = fleet(rows)
        rationed = Rationed(presences, Gate(HereCounters(), Limits()), Limit(0.5, 3, "presence.show"))
        for _ in range(3):
            assert (await rationed.of("eve", ["ann"])).items
        with pytest.raises(RateLimited) as refused:
            await rationed.of("eve", ["ann"])
        assert refused.value.retry_after_ms == 2000
        assert len(rows.asked) == 3, "it cost nobody anything"
        assert (await rationed.of("bo", ["ann"])).items
        await asyncio.sleep(2)
        assert (await rationed.of("eve", ["ann"])).items

    run_virtually(main())
