"""Reads by id that go out together, against a real MongoDB."""

import asyncio
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from actors.runtime.envelope import Overloaded, Unavailable
from scripts.embedded.mongo import ReplicaSet
from storage.mongo import gathered
from storage.mongo.connect import Database, kept
from storage.mongo.gathered import Gathered
from tests.storage.mongo.cutting import cut_off

MANY = 250


class Finds(CommandListener):
    """Counts the reads that reach the server."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.count += event.command_name in {"find", "getMore"}

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


async def test_everybody_gets_their_own_and_the_reads_are_few(mongo: ReplicaSet, db: Database) -> None:
    await db["heads"].insert_many([{"_id": f"a{number}", "seq": number} for number in range(0, MANY, 2)])
    finds = Finds()
    async with (
        AsyncMongoClient[dict[str, Any]](mongo.url, event_listeners=[finds]) as client,
        Gathered(kept(client[db.name], "heads")) as reads,
    ):
        alone = await reads.get("a4")
        found = await asyncio.gather(*(reads.get(f"a{number}") for number in range(MANY)))
        twice = await asyncio.gather(*[reads.get("a2") for _ in range(2)])
    assert alone == {"_id": "a4", "seq": 4}
    assert found == [{"_id": f"a{number}", "seq": number} if number % 2 == 0 else None for number in range(MANY)]
    assert twice == [{"_id": "a2", "seq": 2}] * 2
    assert finds.count <= MANY / 25


async def test_who_stops_waiting_takes_nothing_from_others(db: Database) -> None:
    await db["heads"].insert_one({"_id": "ann"})
    async with Gathered(kept(db, "heads")) as reads:
        gone, stays = (asyncio.ensure_future(reads.get("ann")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == {"_id": "ann"}
        assert gone.cancelled()


async def test_out_of_reach_and_closed_are_refusals_and_it_goes_on_after(mongo: ReplicaSet, db: Database) -> None:
    async with Gathered(kept(db, "heads")) as reads:
        async with cut_off(mongo, "find"):
            both = await asyncio.gather(reads.get("ann"), reads.get("bo"), return_exceptions=True)
        assert [type(outcome) for outcome in both] == [Unavailable] * 2
        assert await reads.get("ann") is None
        late = asyncio.ensure_future(reads.get("ann"))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await late
    with pytest.raises(Unavailable):
        await reads.get("ann")


async def test_more_than_may_wait_is_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "WAITING", 2)
    async with Gathered(kept(db, "heads")) as reads:
        asked = await asyncio.gather(*(reads.get(name) for name in ("ann", "bo", "cy")), return_exceptions=True)
    assert asked[:2] == [None, None]
    assert isinstance(asked[2], Overloaded)
