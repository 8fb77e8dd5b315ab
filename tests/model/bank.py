"""The actor the model runs: a counter whose every event says on what state it was decided."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, ClassVar

import msgspec

from actors.journal.codec import Codec
from actors.journal.journal import Happened
from actors.journal.journaled import Decided, Journaled, Order, Stamp
from actors.journal.outside import Row


class Add(msgspec.Struct, frozen=True):
    """Add `times` events in one command."""

    times: int


class Added(msgspec.Struct, frozen=True):
    """`on` is the chain of all events before: what the decision was made on."""

    type: ClassVar[str] = "added"
    version: ClassVar[int] = 1
    on: str
    cid: str


class Chain(msgspec.Struct, frozen=True):
    link: str = ""
    count: int = 0


CODEC = Codec({"added": Added}, {})


def follow(chain: Chain, event: Added) -> Chain:
    return Chain(blake2b(f"{chain.link}{event.on}{event.cid}".encode(), digest_size=6).hexdigest(), chain.count + 1)


class Counter(Journaled[Chain]):
    fold_version: ClassVar[int] = 1
    state_type: ClassVar[type[Any]] = Chain

    def initial(self) -> Chain:
        return Chain()

    def fold(self, state: Chain, happened: Happened) -> Chain:
        return follow(state, happened.event)

    def decide(self, order: Order, stamp: Stamp) -> Decided:
        events, chain = [], self.state
        for _ in range(order.command.times):
            event = Added(chain.link, order.cid)
            events.append(event)
            chain = follow(chain, event)
        return Decided(events, {"count": chain.count, "seq": stamp.seq})

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        return []

    def owed(self) -> Mapping[str, datetime]:
        return {}

    def settle(self) -> None:
        """Nothing is owed."""

    def published(self, happened: Sequence[Happened]) -> None:
        """Nobody listens."""

    async def answer(self, message: Any) -> Any:
        raise AssertionError(message)


class Clock:
    """A wall clock that jumps back and forth: nothing may rest on it."""

    def __init__(self, random: Any) -> None:
        self._random = random

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._random.uniform(-3600, 3600))
