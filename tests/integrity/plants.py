"""A database in which somebody has lived, and the ways in which it is damaged."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import bson
import msgspec

from actors.domain.addresses import session_address
from actors.events import TYPES, UPCASTS, GoalRemoved, ThreadRead
from actors.journal.codec import Codec
from scripts.integrity.command import Stores, opened
from scripts.integrity.findings import CODES, Finding
from storage.mongo.connect import Database
from storage.mongo.keys import MongoKeys
from storage.mongo.positions import position
from storage.sealing import Sealing
from tests.session.inside import MASTER

EARLY = datetime(2020, 1, 1, tzinfo=UTC)


class Kept:
    """A database in which one user has lived, to damage and to look at."""

    def __init__(self, url: str, database: Database, user_id: str) -> None:
        self.url, self.database, self.user_id = url, database, user_id
        self.address = session_address(user_id)

    async def found(self, *names: str, redis_url: str | None = None) -> list[tuple[str, int]]:
        """Codes and positions."""
        return [(one.code, one.position) for one in await self.findings(*names, redis_url=redis_url)]

    async def findings(self, *names: str, redis_url: str | None = None) -> list[Finding]:
        found: list[Finding] = []
        stores = Stores(self.url, self.database.name, {1: MASTER}, redis_url)
        async with opened(stores, found.append) as work:
            await work.run(names)
        assert {one.code for one in found} <= set(CODES)
        return found

    async def document(self, s: int) -> dict[str, Any]:
        found = await self.database.event_log.find_one({"_id": position(self.address, s)})
        assert found is not None
        return found

    async def change(self, s: int, **fields: Any) -> None:
        await self.database.event_log.update_one({"_id": position(self.address, s)}, {"$set": fields})

    async def sealed(self, s: int, body: bytes) -> None:
        """Put another body in the place of that document's, sealed as it ought to be."""
        identifier = position(self.address, s)
        box = await Sealing(MongoKeys(self.database), {1: MASTER}).box(self.user_id)
        await self.change(s, body=box.seal(body, collection="event_log", document=identifier, field="body"))

    async def everything(self) -> dict[str, list[bytes]]:
        names = await self.database.list_collection_names()
        return {name: [bson.encode(row) async for row in self.database[name].find(sort=[("_id", 1)])] for name in names}


async def remove(kept: Kept, s: int) -> None:
    await kept.database.event_log.delete_one({"_id": position(kept.address, s)})


async def _insert(kept: Kept, identifier: str, s: int, **fields: Any) -> None:
    await kept.database.event_log.insert_one({**await kept.document(s), "_id": identifier, **fields})


async def _again(kept: Kept, s: int) -> None:
    first = await kept.document(2)
    await kept.change(s, by=first["by"], cid=first["cid"])
    await kept.database.snapshots.delete_many({})  # it remembers the cids as they were


async def _moved(kept: Kept) -> None:
    await kept.change(7, body=(await kept.document(2))["body"])


async def _newer_event(kept: Kept) -> None:
    await kept.sealed(7, msgspec.msgpack.encode(([("goal.teleported", 1, {})], None)))


async def _events(kept: Kept, s: int, *events: Any) -> None:
    """Other events in the place of that document's, sealed as they ought to be."""
    await kept.sealed(s, Codec(TYPES, UPCASTS).pack(events, None))
    await kept.change(s, n=len(events))


async def row(kept: Kept, name: str, change: dict[str, Any], **match: Any) -> None:
    assert (await kept.database[name].update_one({"a": kept.address, **match}, change)).modified_count == 1


async def _stray(kept: Kept, **fields: Any) -> None:
    await kept.database.goals.insert_one({"_id": "stray", "a": kept.address, "seq": 1, "title": "Whose?", **fields})


async def _head(kept: Kept, **fields: Any) -> None:
    await kept.database.heads.update_one({"_id": kept.address}, {"$set": fields})


async def _snapshot(kept: Kept, **fields: Any) -> None:
    await kept.database.snapshots.update_one({"_id": kept.address}, {"$set": fields})


async def _other_snapshot(kept: Kept) -> None:
    """A state of nobody, sealed as it ought to be."""
    found = await kept.database.snapshots.find_one({"_id": kept.address}) or {}
    box = await Sealing(MongoKeys(kept.database), {1: MASTER}).box(kept.user_id)
    place = {"collection": "snapshots", "document": kept.address, "field": "body"}
    at, cids, state = msgspec.msgpack.decode(box.unseal(found["body"], **place))
    body = msgspec.msgpack.encode((at, cids, {**state, "goals_completed": 7}))
    await _snapshot(kept, body=box.seal(body, **place))


async def _rekeyed(kept: Kept) -> None:
    await kept.database["keys"].update_one({"_id": kept.user_id}, {"$set": {"wrapped": bytes(80)}})


NOBODY = "session:nobody"
PLANTS: dict[str, tuple[Callable[[Kept], Awaitable[Any]], Sequence[tuple[str, int]]]] = {
    "a document is gone": (lambda kept: remove(kept, 3), [("log.gap", 4)]),
    "the first is gone": (lambda kept: remove(kept, 1), [("log.gap", 2)]),
    "two overlap": (
        lambda kept: _events(kept, 7, ThreadRead("coach", 7), ThreadRead("coach", 7)),
        [("log.overlap", 8)],
    ),
    "another hash": (lambda kept: _insert(kept, f"00000000/{kept.address}/{9:010d}", 8), [("log.position", 0)]),
    "no position": (lambda kept: _insert(kept, position(kept.address, 8) + "x", 8), [("log.position", 0)]),
    "another address": (lambda kept: kept.change(3, a="session:other"), [("log.position", 3)]),
    "no digest": (lambda kept: kept.change(3, digest=b""), [("log.malformed", 3)]),
    "another count": (lambda kept: kept.change(3, n=2), [("log.count", 3)]),
    "a cid twice": (lambda kept: _again(kept, 3), [("log.cid", 3)]),
    "back in time": (lambda kept: kept.change(8, at=EARLY), [("log.time", 8), ("row.differs", 8)]),
    "by turns": (lambda kept: kept.change(4, w="another/1"), [("log.activations", 5)]),
    "out of order": (lambda kept: kept.change(4, w="another/2"), [("log.activations", 5)]),
    "moved": (_moved, [("log.unsealable", 7)]),
    "a newer event": (_newer_event, [("log.too_new", 7)]),
    "no events": (lambda kept: kept.sealed(7, b"no msgpack"), [("log.unreadable", 7)]),
    "cannot follow": (lambda kept: _events(kept, 7, GoalRemoved("g", (), closed=("g",))), [("log.unfoldable", 7)]),
    "another key": (_rekeyed, [("key.unsealable", 0)]),
    "no row": (lambda kept: kept.database.users.delete_one({"a": kept.address}), [("row.missing", 6)]),
    "no message": (
        lambda kept: kept.database.chat_messages.delete_one({"a": kept.address, "seq": 7}),
        [("row.missing", 7)],
    ),
    "no tombstone": (
        lambda kept: kept.database.goals.delete_one({"a": kept.address, "gone": True}),
        [("row.missing", 6)],
    ),
    "a row of before": (lambda kept: row(kept, "goals", {"$set": {"seq": 1}}, seq=5), [("row.stamp", 5)]),
    "a row of tomorrow": (lambda kept: row(kept, "goals", {"$set": {"seq": 99}}, seq=5), [("row.newer", 5)]),
    "another number": (lambda kept: row(kept, "users", {"$inc": {"stats.goalsCompleted": 1}}), [("row.differs", 6)]),
    "one field more": (lambda kept: row(kept, "goals", {"$set": {"more": 1}}, seq=4), [("row.differs", 4)]),
    "no zombie": (lambda kept: row(kept, "goals", {"$unset": {"gone": 1}}, gone=True), [("row.differs", 6)]),
    "a plain text": (
        lambda kept: row(kept, "chat_messages", {"$set": {"text": "Hi"}}, seq=7),
        [("row.unsealable", 7)],
    ),
    "a stray": (_stray, [("row.stray", 1)]),
    "a stray of tomorrow": (lambda kept: _stray(kept, seq=99), [("row.newer", 99)]),
    "rows of nobody": (lambda kept: _stray(kept, a=NOBODY), [("row.orphan", 0)]),
    "a row without an address": (lambda kept: _stray(kept, a=None), [("row.orphan", 0)]),
    "a user who is nobody": (lambda kept: kept.database.users.insert_one({"a": NOBODY}), [("row.orphan", 0)]),
    "no head": (lambda kept: kept.database.heads.delete_one({"_id": kept.address}), [("head.missing", 8)]),
    "a head of before": (lambda kept: _head(kept, seq=7, projected=6), [("head.behind", 8)]),
    "a head of tomorrow": (lambda kept: _head(kept, seq=9), [("head.newer", 8)]),
    "more projected than there is": (lambda kept: _head(kept, projected=9), [("head.projected", 8)]),
    "a debt of nobody's": (lambda kept: _head(kept, owed_at=EARLY), [("head.owed", 8)]),
    "something due": (lambda kept: _head(kept, due_at=EARLY), [("head.due", 8)]),
    "the head of nobody": (
        lambda kept: kept.database.heads.insert_one({"_id": NOBODY, "seq": 1}),
        [("head.orphan", 0)],
    ),
    "a snapshot of tomorrow": (lambda kept: _snapshot(kept, seq=9), [("snapshot.newer", 9)]),
    "a snapshot of before": (lambda kept: _snapshot(kept, seq=5), [("snapshot.differs", 5)]),
    "another snapshot": (_other_snapshot, [("snapshot.differs", 6)]),
    "no snapshot": (lambda kept: _snapshot(kept, body=bytes(99)), [("snapshot.unreadable", 6)]),
    "the snapshot of nobody": (
        lambda kept: kept.database.snapshots.insert_one({"_id": NOBODY}),
        [("snapshot.orphan", 0)],
    ),
}
