"""The log: what is in it, is in it for good, once, in order, and sealed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast

import pymongo
import pytest

from actors.domain.refusals import TooLarge
from actors.journal.outside import Document, Log, Snapshot
from actors.runtime.envelope import Unavailable
from storage.mongo.connect import Database
from storage.mongo.log import MongoLog
from storage.mongo.positions import position
from storage.sealing import Sealing, Unsealable
from tests.storage.mongo.conftest import AT, Fail, MakeDocument, Reports

ANN, BO = "session:ann", "session:bo"


async def test_what_was_inserted_is_read_back_the_same(log: MongoLog, document: MakeDocument) -> None:
    port: Log = log
    one = document(ANN, 1, n=3, body=b"\x00private\xff")
    assert await port.insert(one)
    assert await port.at(ANN, 1) == one
    assert await port.find(ANN, one.by, one.cid) == one
    assert await port.read(ANN, 0, 10) == [one]
    assert one.at == AT


async def test_a_taken_position_is_refused_and_keeps_what_it_has(log: MongoLog, document: MakeDocument) -> None:
    first, second = document(ANN, 1), document(ANN, 1)
    assert await log.insert(first)
    assert not await log.insert(second)
    assert not await log.insert(first)
    assert await log.at(ANN, 1) == first


async def test_of_many_at_once_on_one_position_one_wins(log: MongoLog, document: MakeDocument) -> None:
    rivals = [document(ANN, 1) for _ in range(40)]
    bystanders = [document(f"session:{n}", 1) for n in range(40)]
    outcomes = await asyncio.gather(*(log.insert(one) for pair in zip(rivals, bystanders, strict=True) for one in pair))
    assert sum(outcomes[::2]) == 1
    assert all(outcomes[1::2])
    assert await log.at(ANN, 1) == rivals[outcomes[::2].index(True)]


async def test_what_is_decided_together_goes_out_together(log: MongoLog, document: MakeDocument) -> None:
    for s in (1, 2):
        before = sum(lane.flushes for lane in log.lanes)
        await asyncio.gather(*(log.insert(document(f"session:{n}", s)) for n in range(400)))
    assert sum(lane.flushes for lane in log.lanes) - before <= 4  # the first time their keys had to be made
    assert sum(lane.writes for lane in log.lanes) == 800


async def test_pages_follow_one_another_in_order(log: MongoLog, document: MakeDocument) -> None:
    written = [document(ANN, s, n=2) for s in range(1, 21, 2)]
    for one in [*written, document(BO, 1), document("session:ann2", 5)]:
        assert await log.insert(one)
    assert await log.read(ANN, 0, 4) == written[:4]
    assert await log.read(ANN, written[3].s, 100) == written[4:]
    assert await log.read(ANN, -1, 100) == written
    assert await log.read(ANN, 10**12, 100) == []


async def test_a_stranger_finds_nothing(log: MongoLog, document: MakeDocument) -> None:
    one = document(ANN, 1)
    await log.insert(one)
    assert await log.at(BO, 1) is None
    assert await log.read(BO, 0, 10) == []
    assert await log.find(BO, one.by, one.cid) is None
    assert await log.find(ANN, "bo", one.cid) is None


async def test_a_document_moved_to_another_place_is_not_opened_and_not_skipped(
    log: MongoLog, document: MakeDocument, db: Database, reports: Reports
) -> None:
    await log.insert(document(ANN, 1))
    stored: dict[str, Any] | None = await db.event_log.find_one({"_id": position(ANN, 1)})
    assert stored is not None
    await db.event_log.insert_one({**stored, "_id": position(ANN, 2)})
    with pytest.raises(Unsealable):
        await log.read(ANN, 0, 10)
    assert reports == [("log.unsealable", {"collection": "event_log", "id": position(ANN, 2)})]


async def test_a_document_too_large_is_refused_alone(log: MongoLog, document: MakeDocument) -> None:
    large = log.insert(document(ANN, 1, body=bytes(1_100_000)))
    outcomes = await asyncio.gather(large, log.insert(document(BO, 1)), return_exceptions=True)
    assert isinstance(outcomes[0], TooLarge)
    assert outcomes[1] is True
    assert await log.at(ANN, 1) is None


async def test_the_largest_documents_go_out_in_several_flushes(log: MongoLog, document: MakeDocument) -> None:
    large = [document(f"session:{n}", 1, body=bytes(1_000_000)) for n in range(8)]
    assert await asyncio.gather(*(log.insert(one) for one in large)) == [True] * 8
    assert await log.at(large[5].address, 1) == large[5]


async def test_leaving_sends_what_still_waits(
    db: Database, sealing: Sealing, report: Callable[[str, dict[str, Any]], None], document: MakeDocument
) -> None:
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(MongoLog(db, sealing, report=report))
        await log.insert(document("session:0", 1))
        waiting = [asyncio.ensure_future(log.insert(document(f"session:{n}", 2))) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.gather(*(sealing.box(f"{n}") for n in range(50)))
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    landed = await db.event_log.count_documents({"_id": {"$regex": "0000000002$"}})
    assert landed == outcomes.count(True)
    assert all(outcome is True or isinstance(outcome, Unavailable) for outcome in outcomes)
    with pytest.raises(Unavailable):
        await log.insert(document("session:0", 3))


@pytest.mark.parametrize("read", ["at", "read", "find", "head", "snapshot"])
async def test_what_cannot_be_read_is_unavailable_and_never_empty(log: MongoLog, fail: Fail, read: str) -> None:
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "at": lambda: log.at(ANN, 1),
        "read": lambda: log.read(ANN, 0, 10),
        "find": lambda: log.find(ANN, "ann", "cid"),
        "head": lambda: log.head(ANN),
        "snapshot": lambda: log.snapshot(ANN),
    }
    async with fail(["find"], closeConnection=True):
        with pymongo.timeout(0.5), pytest.raises(Unavailable) as refusal:
            await reads[read]()
    assert refusal.value.effect == "none"


async def test_a_herd_of_readers_leaves_connections_for_the_lanes(
    log: MongoLog, document: MakeDocument, fail: Fail
) -> None:
    await log.insert(document(ANN, 1))
    async with fail(["find"], blockConnection=True, blockTimeMS=4000):
        herd = [asyncio.ensure_future(log.at(ANN, 1)) for _ in range(300)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            assert await log.insert(document(ANN, 2))
        for reader in herd:
            reader.cancel()
    await asyncio.gather(*herd, return_exceptions=True)


async def test_a_head_that_was_never_written_is_none(log: MongoLog) -> None:
    assert await log.head(ANN) is None


async def test_an_older_snapshot_never_replaces_a_newer_one(log: MongoLog) -> None:
    newer, older = Snapshot(ANN, 400, 2, b"newer"), Snapshot(ANN, 200, 1, b"older")
    await log.keep(newer)
    await log.keep(older)
    assert await log.snapshot(ANN) == newer
    assert await log.snapshot(BO) is None


async def test_a_snapshot_of_another_fold_at_the_same_seq_takes_its_place(log: MongoLog) -> None:
    await log.keep(Snapshot(ANN, 200, 1, b"old fold"))
    await log.keep(Snapshot(ANN, 200, 2, b"new fold"))
    assert await log.snapshot(ANN) == Snapshot(ANN, 200, 2, b"new fold")


async def test_a_raw_scan_finds_nothing_of_what_was_said(log: MongoLog, db: Database, document: MakeDocument) -> None:
    canary = b"canary-4711"
    await log.insert(document(ANN, 1, body=b"before " + canary + b" after"))
    await log.keep(Snapshot(ANN, 1, 1, canary * 3))
    assert canary not in await everything(db)


async def everything(db: Database) -> bytes:
    """All bytes of all collections."""
    batches = [batch for name in await db.list_collection_names() for batch in await raw(db, name)]
    return b"".join(batches)


async def raw(db: Database, name: str) -> list[bytes]:
    return [cast("bytes", batch) async for batch in db[name].find_raw_batches({})]


def test_a_document_s_last_seq() -> None:
    assert Document(ANN, 5, 3, "ann", "c", b"", "w", AT, b"").last == 7
