"""Preparing the database: twice, at once, and never backwards; and every query has its index."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import UpdateOne

from scripts.embedded.mongo import ReplicaSet
from storage.mongo import queries
from storage.mongo.api_keys import ALL
from storage.mongo.connect import Database, connected
from storage.mongo.jobs import jobs_waiting
from storage.mongo.mails import mails_due
from storage.mongo.passkeys import passkeys_of
from storage.mongo.positions import position
from storage.mongo.proofs import proof_of
from storage.mongo.queries import INDEXES, LATEST, Query
from storage.mongo.roles import ADMINS, granted_before
from storage.mongo.schema import TooNew, prepare

ANN = "session:ann"
NOW = datetime(2026, 3, 8, tzinfo=UTC)
QUERIES = {
    "a document of the log": queries.document_at(ANN, 7),
    "documents after": queries.documents_after(ANN, 7),
    "documents from the start": queries.documents_after(ANN, -1),
    "the document of a cid": queries.document_of(ANN, "ann", "cid-7"),
    "a snapshot": queries.by_id("snapshots", ANN),
    "a head": queries.by_id("heads", ANN),
    "a user": queries.by_id("users", "ann", "bo"),
    "a goal": queries.by_id("goals", "goal-7"),
    "goals": queries.goals_of(ANN, None, None),
    "goals, another page": queries.goals_of(ANN, None, (NOW, "goals-7")),
    "open goals": queries.goals_of(ANN, "open", None),
    "open goals, another page": queries.goals_of(ANN, "open", (NOW, "goals-7")),
    "messages": queries.messages_of(ANN, "coach", None),
    "messages before": queries.messages_of(ANN, "coach", 50),
    "heads that owe": queries.heads_owing(NOW),
    "heads with something due": queries.heads_due(NOW),
    "API keys": ALL,
    "administrators": ADMINS,
    "who was given which role": granted_before(None),
    "who was given which role before": granted_before("audit-7"),
    "passkeys of somebody": passkeys_of("ann"),
    "a proof": proof_of("digest-7", NOW),
    "letters that are due": mails_due(NOW),
    "jobs that wait": jobs_waiting(),
    "a key": queries.by_id("keys", "ann"),
    "the version": queries.by_id("schema", "version"),
}


async def filled(db: Database) -> None:
    """Enough of everything that an index is worth it."""
    for number in range(120):
        address = f"session:{'ann' if number % 2 else number}"
        row: dict[str, Any] = {"a": address, "seq": number, "created_at": NOW, "thread": "coach", "place": number}
        row["status"] = "done" if number % 3 else "open"
        for name in ("goals", "chat_messages", "users"):
            await db[name].insert_one({"_id": f"{name}-{number}", **row})
        await db.event_log.insert_one({"_id": position(address, number), "a": address, "by": "ann", "cid": f"{number}"})
        await db.api_keys.insert_one({"_id": f"key-{number}", "created_at": NOW})
        await db.audit_log.insert_one({"_id": f"audit-{number}"})
        await db.credentials.insert_one({"_id": f"mail-{number}", **({} if number % 40 else {"role": "admin"})})
        await db.passkeys.insert_one({"_id": f"passkey-{number}", "user": f"{number % 7}", "created_at": NOW})
        await db.proofs.insert_one({"_id": f"proof-{number}", "digest": f"digest-{number}", "until": LATEST})
        await db.mails.insert_one(
            {"_id": f"mail-{number}", "state": "waiting" if number % 5 else "sent", "not_before": NOW}
        )
        await db.jobs.insert_one({"_id": f"job-{number}", **({} if number % 40 else {"since": NOW})})
        await db.heads.insert_one({"_id": f"{address}-{number}", "owed_at": NOW, "due_at": NOW})


def stages(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for inner in [plan.get("inputStage"), *plan.get("inputStages", [])]:
        if inner is not None:
            yield from stages(inner)


async def plan_of(db: Database, query: Query) -> list[Mapping[str, Any]]:
    command = {"find": query.collection, "filter": query.filter, "sort": dict(query.sort), "limit": 20}
    explained = await db.command({"explain": command, "verbosity": "queryPlanner"})
    winning = explained["queryPlanner"]["winningPlan"]
    return list(stages(winning.get("queryPlan", winning)))


async def test_every_query_is_answered_by_its_index(db: Database) -> None:
    await filled(db)
    for name, query in QUERIES.items():
        found = await plan_of(db, query)
        kinds = {stage["stage"] for stage in found}
        assert not kinds & {"COLLSCAN", "SORT"}, f"{name}: {kinds}"
        used = {stage["indexName"] for stage in found if "indexName" in stage} or {"_id_"}
        assert used == {query.index}, name


async def test_the_explain_would_notice_an_order_without_index(db: Database) -> None:
    await filled(db)
    unserved = Query("goals", {"a": ANN}, sort=[("seq", 1)])
    kinds = {stage["stage"] for stage in await plan_of(db, unserved)}
    assert kinds & {"COLLSCAN", "SORT"}


async def test_tombstones_are_not_even_read(db: Database) -> None:
    gone = [
        UpdateOne({"_id": f"gone-{n}"}, {"$set": {"a": ANN, "seq": n, "gone": True}}, upsert=True) for n in range(50)
    ]
    await db.goals.bulk_write(gone)
    query = queries.goals_of(ANN, None, None)
    command = {"find": "goals", "filter": query.filter, "sort": dict(query.sort), "limit": 20}
    explained = await db.command({"explain": command, "verbosity": "executionStats"})
    assert explained["executionStats"]["totalDocsExamined"] == 0


async def test_two_nodes_may_prepare_at_once_and_agree_on_the_log(mongo: ReplicaSet, database: str) -> None:
    async with connected(mongo.url, database=database) as one, connected(mongo.url, database=database) as other:
        ids = await asyncio.gather(*(prepare(node) for node in (one, other, one, other)))
        assert len(set(ids)) == 1
        assert await prepare(one) == ids[0]
        for name, indexes in INDEXES.items():
            assert set(await one[name].index_information()) == {"_id_", *indexes}


async def test_a_database_of_a_newer_program_is_refused(mongo: ReplicaSet, database: str) -> None:
    async with connected(mongo.url, database=database) as db:
        await prepare(db)
        await db.schema.update_one({"_id": "version"}, {"$set": {"version": 1_000}})
        with pytest.raises(TooNew, match="1000"):
            await prepare(db)


def test_no_row_is_made_after_the_latest_time() -> None:
    assert datetime.now(UTC) < LATEST
