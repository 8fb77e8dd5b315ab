"""Rows and heads: whole, in any order, of one address only, and readable by their owner alone."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.domain.conversation import Message
from actors.domain.goals import Goal, Metric
from actors.domain.private import private
from actors.domain.refusals import Invalid
from actors.journal.outside import Head, Projections, Row
from actors.ports import GoalRows, HeadRows, MessageRows
from actors.runtime.envelope import Unavailable
from storage.mongo.connect import Database
from storage.mongo.goals import MongoGoals
from storage.mongo.heads import MongoHeads
from storage.mongo.log import MongoLog
from storage.mongo.messages import MongoMessages
from storage.mongo.projections import MongoProjections
from storage.sealing import Sealing, Secrets
from tests.storage.mongo.conftest import AT, Fail, Reports
from tests.storage.mongo.test_log import everything

ANN, BO = "session:ann", "session:bo"
DIGEST = Secrets(bytes(32)).digest


def goal(identifier: str, title: str = "Run", *, after: int = 0, **fields: Any) -> Goal:
    at = AT + timedelta(seconds=after)
    return Goal(id=identifier, title=title, created_at=at, updated_at=at, **fields)


def message(identifier: str, seq: int, text: str = "Hello") -> Message:
    return Message(id=identifier, seq=seq, thread="coach", role="user", author_id="ann", text=text, created_at=AT)


@pytest.fixture
async def goals(db: Database, sealing: Sealing) -> AsyncIterator[GoalRows]:
    async with MongoGoals(db, sealing, DIGEST) as rows:
        yield rows


@pytest.fixture
def messages(db: Database, sealing: Sealing) -> MessageRows:
    return MongoMessages(db, sealing)


async def test_rows_are_read_as_they_were_written(projections: MongoProjections, goals: GoalRows) -> None:
    port: Projections = projections
    whole = goal("g1", metric=Metric("km", 42.0), due=AT.date(), area="health")
    await port.write(ANN, [Row("goals", "g1", 3, whole)], Head(ANN, 3))
    assert await goals.get("ann", "g1") == whole
    assert (await goals.list("ann", limit=10, cursor=None, status=None)).items == [whole]


async def test_the_head_says_how_far_the_rows_have_come(projections: MongoProjections, log: MongoLog) -> None:
    owing = Head(ANN, 5, 5, AT, AT + timedelta(days=1))
    await projections.write(ANN, [], owing)
    assert await log.head(ANN) == owing
    await projections.write(ANN, [], Head(ANN, 6))
    await projections.write(ANN, [], owing)
    assert await log.head(ANN) == Head(ANN, 6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(), last=st.integers(1, 8), gone=st.booleans())
async def test_late_and_repeated_writes_are_harmless_in_any_order(
    projections: MongoProjections, goals: GoalRows, seed: int, last: int, *, gone: bool
) -> None:
    chance = random.Random(seed)
    name, address = f"ann{seed}-{last}-{gone}", f"session:ann{seed}-{last}-{gone}"
    versions: list[Goal | None] = [goal(name, f"title {seq}") for seq in range(1, last + 1)]
    versions[-1] = None if gone else versions[-1]
    writes = [Row("goals", name, seq, version) for seq, version in enumerate(versions, 1)] * 2
    chance.shuffle(writes)
    for row in writes[: len(writes) // 2]:
        await projections.write(address, [row], Head(address, row.seq))
    await asyncio.gather(
        *(projections.write(address, [row], Head(address, row.seq)) for row in writes[len(writes) // 2 :])
    )
    assert await goals.get(name, name) == versions[-1]


async def test_what_was_removed_stays_removed(projections: MongoProjections, goals: GoalRows, db: Database) -> None:
    await projections.write(ANN, [Row("goals", "g1", 1, goal("g1"))], Head(ANN, 1))
    await projections.write(ANN, [Row("goals", "g1", 2, None)], Head(ANN, 2))
    await projections.write(ANN, [Row("goals", "g1", 1, goal("g1"))], Head(ANN, 1))
    assert await goals.get("ann", "g1") is None
    assert (await goals.list("ann", limit=10, cursor=None, status=None)).items == []
    assert await db.goals.find_one({}) == {"_id": "g1", "a": ANN, "seq": 2, "gone": True}


async def test_a_stranger_sees_nothing(projections: MongoProjections, goals: GoalRows, messages: MessageRows) -> None:
    rows = [Row("goals", "g1", 1, goal("g1")), Row("chat_messages", "m1", 1, message("m1", 1))]
    await projections.write(ANN, rows, Head(ANN, 1))
    assert await goals.get("bo", "g1") is None
    assert (await goals.list("bo", limit=10, cursor=None, status=None)).items == []
    assert await messages.list("bo", thread="coach", before=None, limit=10) == []


async def test_a_row_never_replaces_another_address_s(
    projections: MongoProjections, goals: GoalRows, reports: Reports, db: Database
) -> None:
    await projections.write(ANN, [Row("goals", "g1", 1, goal("g1", "Ann's"))], Head(ANN, 1))
    await projections.write(BO, [Row("goals", "g1", 9, goal("g1", "Bo's"))], Head(BO, 9))
    found = await goals.get("ann", "g1")
    assert found is not None
    assert found.title == "Ann's"
    assert reports[0][0] == "projection.failed"
    noted = await db.projection_failures.find_one({})
    assert noted is not None
    assert (noted["a"], noted["row"], noted["code"]) == (BO, "g1", 11000)


class Odd(msgspec.Struct, frozen=True):
    number: int
    secret: Annotated[str, private(max_length=5_000_000)] = ""


@pytest.mark.parametrize(
    ("collection", "odd"),
    [("goals", Odd(1 << 70)), ("goals", Odd(1, "x" * 4_100_000)), ("nowhere", Odd(1))],
    ids=["a number too large", "a row too large", "an unknown collection"],
)
async def test_a_row_that_cannot_be_written_is_noted_and_its_address_lives_on(
    projections: MongoProjections, goals: GoalRows, log: MongoLog, reports: Reports, collection: str, odd: Odd
) -> None:
    rows = [Row(collection, "odd", 1, odd), Row("goals", "g1", 1, goal("g1"))]
    await projections.write(ANN, rows, Head(ANN, 1))
    assert await goals.get("ann", "g1") == goal("g1")
    assert await log.head(ANN) == Head(ANN, 1)
    assert [(name, fields["row"]) for name, fields in reports] == [("projection.failed", "odd")]


async def test_a_row_the_server_rejects_is_noted_and_the_others_are_written(
    projections: MongoProjections, goals: GoalRows, db: Database
) -> None:
    await db.command({"collMod": "goals", "validator": {"kind": {"$ne": "step"}}})
    rows = [Row("goals", "g1", 1, goal("g1", kind="step")), Row("goals", "g2", 1, goal("g2"))]
    await projections.write(ANN, rows, Head(ANN, 1))
    assert await goals.get("ann", "g1") is None
    assert await goals.get("ann", "g2") == goal("g2")
    assert await db.projection_failures.count_documents({"code": 121}) == 1


async def test_connection_trouble_is_ridden_out(projections: MongoProjections, goals: GoalRows, fail: Fail) -> None:
    await projections.write(ANN, [Row("goals", "g1", 1, goal("g1"))], Head(ANN, 1))
    async with fail(["update"], {"times": 3}, closeConnection=True):
        await projections.write(ANN, [Row("goals", "g1", 2, goal("g1", "Walk"))], Head(ANN, 2))
    found = await goals.get("ann", "g1")
    assert found is not None
    assert found.title == "Walk"


async def test_out_of_reach_for_too_long_is_unavailable_and_the_head_claims_no_rows(
    projections: MongoProjections, log: MongoLog, fail: Fail, db: Database
) -> None:
    await projections.write(ANN, [Row("goals", "g1", 1, goal("g1"))], Head(ANN, 1))
    projections._within = 0.5
    async with fail(["update"], writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"}):
        with pytest.raises(Unavailable):
            await projections.write(ANN, [Row("goals", "g1", 2, goal("g1"))], Head(ANN, 2, projected=1))
        head = await log.head(ANN)
        assert head is not None
        assert head.projected < 2
    assert await db.projection_failures.count_documents({}) == 0


async def test_many_addresses_share_their_flushes(projections: MongoProjections, db: Database) -> None:
    for seq in (1, 2):
        before = sum(lane.flushes for lane in projections.lanes.values())
        await asyncio.gather(
            *(
                projections.write(
                    f"session:{n}", [Row("goals", f"g{n}", seq, goal(f"g{n}"))], Head(f"session:{n}", seq)
                )
                for n in range(200)
            )
        )
    assert sum(lane.flushes for lane in projections.lanes.values()) - before <= 8
    assert await db.heads.count_documents({"seq": 2}) == 200


async def test_a_raw_scan_finds_nothing_private(projections: MongoProjections, db: Database) -> None:
    canary = "canary-4711"
    rows = [
        Row("goals", "g1", 1, goal("g1", canary, metric=Metric(canary, 1.0))),
        Row("chat_messages", "m1", 1, message("m1", 1, f"{canary} and more")),
        Row("goals", "odd", 1, Odd(1 << 70, canary)),
    ]
    await projections.write(ANN, rows, Head(ANN, 1))
    found = await everything(db)
    assert b"g1" in found
    assert canary.encode() not in found


class TestPages:
    """Lists page by page."""

    async def test_newest_first_and_each_once(self, projections: MongoProjections, goals: GoalRows) -> None:
        made = [goal(f"g{n}", after=n // 3, status="done" if n % 2 else "open") for n in range(20)]
        await projections.write(ANN, [Row("goals", one.id, 1, one) for one in made], Head(ANN, 1))
        wanted = sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)
        assert await pages(goals, None) == wanted
        assert await pages(goals, "done") == [one for one in wanted if one.status == "done"]

    async def test_a_cursor_of_another_list_or_user_is_invalid(
        self, projections: MongoProjections, goals: GoalRows
    ) -> None:
        for name in ("ann", "bo"):
            rows = [Row("goals", f"{name}{n}", 1, goal(f"{name}{n}")) for n in range(3)]
            await projections.write(f"session:{name}", rows, Head(f"session:{name}", 1))
        cursor = (await goals.list("ann", limit=2, cursor=None, status=None)).next_cursor
        assert cursor is not None
        for user, status in (("bo", None), ("ann", "open")):
            with pytest.raises(Invalid):
                await goals.list(user, limit=2, cursor=cursor, status=status)  # type: ignore[arg-type]  # a parameter

    @pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "A" * 40, "A" * 5_000, "{}", "=" * 8])
    async def test_one_that_was_never_given_out_is_invalid(self, goals: GoalRows, cursor: str) -> None:
        with pytest.raises(Invalid) as refusal:
            await goals.list("ann", limit=2, cursor=cursor, status=None)
        assert refusal.value.fields is not None
        assert set(refusal.value.fields) == {"cursor"}

    async def test_messages_before_a_place(self, projections: MongoProjections, messages: MessageRows) -> None:
        sent = [message(f"m{seq}", seq) for seq in range(1, 11)]
        await projections.write(ANN, [Row("chat_messages", one.id, 10, one) for one in sent], Head(ANN, 10))
        assert await messages.list("ann", thread="coach", before=None, limit=3) == sent[:-4:-1]
        assert await messages.list("ann", thread="coach", before=4, limit=30) == sent[2::-1]
        assert await messages.list("ann", thread="coach", before=1 << 80, limit=1) == sent[-1:]
        assert await messages.list("ann", thread="another", before=None, limit=3) == []


async def pages(goals: GoalRows, status: Any) -> list[Goal]:
    found: list[Goal] = []
    cursor: str | None = None
    while True:
        page = await goals.list("ann", limit=3, cursor=cursor, status=status)
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found


class TestHeads:
    """What the clock asks."""

    async def test_who_owes_or_has_something_due_oldest_first(
        self, projections: MongoProjections, db: Database
    ) -> None:
        hour = timedelta(hours=1)
        heads: dict[str, Head] = {
            "later": Head("session:later", 1, 1, AT + hour),
            "owes": Head("session:owes", 1, 1, AT - hour),
            "due": Head("session:due", 1, 1, None, AT - 2 * hour),
            "both": Head("session:both", 1, 1, AT - 3 * hour, AT),
            "nothing": Head("session:nothing", 1),
        }
        await asyncio.gather(*(projections.write(head.address, [], head) for head in heads.values()))
        rows: HeadRows = MongoHeads(db)
        assert await rows.owing(AT, 10) == ["session:both", "session:due", "session:owes"]
        assert await rows.owing(AT, 1) == ["session:both"]
        await projections.write("session:both", [], Head("session:both", 2))
        assert await rows.owing(AT, 10) == ["session:due", "session:owes"]
