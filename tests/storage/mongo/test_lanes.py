"""Group commit in trouble: what can be believed of a batch, what stalls, what recovers, what is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.outside import OutcomeUnknown
from actors.runtime.envelope import Overloaded, Unavailable
from storage.mongo.connect import KEPT, Database
from storage.mongo.lanes import DONE, DUPLICATE, UNKNOWN, Lane, Limits, batches, probes, verdicts
from storage.mongo.log import MongoLog
from tests.storage.mongo.conftest import Fail, MakeDocument, Reports

ANN, BO, CY = "session:ann", "session:bo", "session:cy"
WRITE_CONCERN_ERROR = {"code": 91, "errmsg": "shutting down"}


@given(count=st.integers(1, 500), taken=st.sets(st.integers(0, 499)), confirmed=st.booleans(), lost=st.integers(0, 2))
def test_a_write_is_done_only_when_the_server_says_so_of_it_and_of_the_whole(
    count: int, taken: set[int], *, confirmed: bool, lost: int
) -> None:
    taken = {index for index in taken if index < count}
    reply: dict[str, Any] = {"ok": 1, "n": count - len(taken) - lost}
    reply["writeErrors"] = [{"index": index, "code": DUPLICATE} for index in taken]
    if not confirmed:
        reply["writeConcernError"] = WRITE_CONCERN_ERROR
    others = DONE if confirmed and not lost else UNKNOWN
    assert verdicts(reply, count) == [DUPLICATE if index in taken else others for index in range(count)]


async def test_a_broken_connection_is_unknown_and_the_same_document_again_settles_it(
    log: MongoLog, document: MakeDocument, fail: Fail
) -> None:
    one = document(ANN, 1)
    await log.insert(document(ANN, 0))
    async with fail(["insert"], {"times": 1}, closeConnection=True):
        with pytest.raises(OutcomeUnknown):
            await log.insert(one)
        assert await log.insert(one)


async def test_a_primary_that_is_none_any_more_is_unknown(log: MongoLog, document: MakeDocument, fail: Fail) -> None:
    await log.insert(document(ANN, 0))
    async with fail(["insert"], {"times": 1}, errorCode=10107):
        with pytest.raises(OutcomeUnknown):
            await log.insert(document(ANN, 1))
    assert await log.at(ANN, 1) is None


async def test_without_the_write_concern_an_inserted_document_is_unknown_and_a_duplicate_is_still_one(
    log: MongoLog, document: MakeDocument, fail: Fail
) -> None:
    there, mine, other = document(ANN, 1), document(BO, 1), document(ANN, 1)
    assert await log.insert(there)
    await log.insert(document(BO, 0))
    async with fail(["insert"], writeConcernError=WRITE_CONCERN_ERROR):
        outcomes = await asyncio.gather(log.insert(other), log.insert(mine), return_exceptions=True)
    assert outcomes[0] is False
    assert isinstance(outcomes[1], OutcomeUnknown)
    assert await log.insert(mine) is False
    assert await log.at(BO, 1) == mine


async def test_one_document_the_server_rejects_does_not_hurt_its_batch(
    log: MongoLog, document: MakeDocument, db: Database, reports: Reports
) -> None:
    for address in (ANN, BO, CY):
        await log.insert(document(address, 0))
    await db.command({"collMod": "event_log", "validator": {"n": {"$lt": 100}}})
    three = [log.insert(document(ANN, 1)), log.insert(document(BO, 1, n=100)), log.insert(document(CY, 1))]
    outcomes = await asyncio.gather(*three, return_exceptions=True)
    assert outcomes[0] is True
    assert isinstance(outcomes[1], OutcomeUnknown)
    assert outcomes[2] is True
    assert ("log.rejected", {"address": BO, "s": 1, "code": 121}) in reports


async def test_a_lane_that_hangs_refuses_new_commands_and_recovers(
    log: MongoLog, document: MakeDocument, fail: Fail
) -> None:
    await log.insert(document(ANN, 0))
    async with fail(["insert"], {"times": 1}, blockConnection=True, blockTimeMS=1600):
        hanging = asyncio.ensure_future(log.insert(document(ANN, 1)))
        await asyncio.sleep(0.3)
        log.check()
        await asyncio.sleep(1.0)
        with pytest.raises(Unavailable):
            log.check()
        assert await hanging
        log.check()


async def test_a_lane_in_trouble_finds_out_by_itself_that_it_is_over(
    log: MongoLog, document: MakeDocument, fail: Fail, reports: Reports
) -> None:
    await log.insert(document(ANN, 0))
    async with fail(["insert", "update"], closeConnection=True):
        with pytest.raises(OutcomeUnknown):
            await log.insert(document(ANN, 1))
        await asyncio.sleep(1.2)
        with pytest.raises(Unavailable):
            log.check()
    async with asyncio.timeout(3):
        while any(lane.stalled() for lane in log.lanes):  # noqa: ASYNC110  # nobody tells that it is over
            await asyncio.sleep(0.05)
    assert [name for name, _ in reports] == ["store.trouble", "store.recovered"]


@pytest.fixture
async def narrow(db: Database, report: Callable[[str, dict[str, Any]], None]) -> AsyncIterator[Lane]:
    """A lane that lets three writes wait."""
    limits = Limits(batch=2, waiting=3, waiting_bytes=200)
    send = batches(db, "insert", "rows", KEPT)
    async with Lane("narrow", send, probe=probes(db), report=report, limits=limits) as lane:
        yield lane


async def test_a_full_lane_refuses_and_what_waits_still_goes_out(narrow: Lane, db: Database) -> None:
    waiting = [narrow.put(bson.encode({"_id": number})) for number in range(3)]
    with pytest.raises(Overloaded) as refusal:
        narrow.put(bson.encode({"_id": 3}))
    assert refusal.value.retry_after_ms
    assert await asyncio.gather(*waiting) == [DONE] * 3
    assert narrow.flushes == 2
    assert await db.rows.count_documents({}) == 3


async def test_a_lane_is_full_by_bytes_too(narrow: Lane) -> None:
    first = narrow.put(bson.encode({"_id": 1, "x": "x" * 150}))
    with pytest.raises(Overloaded):
        narrow.put(bson.encode({"_id": 2, "x": "x" * 50}))
    assert await first == DONE


async def test_who_no_longer_waits_does_not_stop_the_others(narrow: Lane) -> None:
    impatient, patient = narrow.put(bson.encode({"_id": 1})), narrow.put(bson.encode({"_id": 2}))
    impatient.cancel()
    assert await patient == DONE
