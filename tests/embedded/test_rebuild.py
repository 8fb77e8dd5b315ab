"""Rows thrown away or damaged are made anew from the logs, as a replay has them, beside whoever goes on writing."""

import asyncio
import uuid
from typing import Any

import pytest

from actors.commands import CompleteGoal, CreateGoal, RemoveGoal, SendMessage
from actors.domain.addresses import session_address
from actors.session.rows import User
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.rebuild import MARK, Progress, Rebuild, rebuilding
from storage.mongo.connect import Database, connected
from storage.mongo.goals import MongoGoals
from storage.mongo.keys import MongoKeys
from storage.mongo.messages import MongoMessages
from storage.sealing import Sealing, Secrets, unseal_struct
from tests.session.inside import MASTER, Inside, inside


async def live(node: Inside) -> str:
    """One user with goals, one of them removed, and a conversation; their id."""
    node.user_id = user_id = str(uuid.uuid4())
    await node.open()
    goals = [(await node.order(CreateGoal(title))).answer.goal.id for title in ("Chess", "Go", "Shogi")]
    await node.order(CompleteGoal(goals[0]))
    await node.order(RemoveGoal(goals[1]))
    sent = await node.order(SendMessage("How are my goals?"))
    await node.device.reply(sent.answer.reply_id)
    return user_id


async def seen(database: Database, user_id: str) -> list[Any]:
    """All that people and the clock see of a user, opened."""
    sealing, address = Sealing(MongoKeys(database), {1: MASTER}), session_address(user_id)
    box = await sealing.box(user_id)
    user = await database.users.find_one({"_id": user_id}) or {}
    head = await database.heads.find_one({"_id": address}, {"projected": 0})
    goals = await MongoGoals(database, sealing, Secrets(MASTER).digest).list(
        user_id, limit=5000, cursor=None, status=None
    )
    messages = await MongoMessages(database, sealing).list(user_id, thread="coach", before=None, limit=50)
    tombstones = await database.goals.find({"a": address, "gone": True}).to_list()
    return [unseal_struct(box, "users", user_id, user, User), head, goals.items, messages, tombstones]


async def damage(database: Database, user_id: str) -> None:
    address = session_address(user_id)
    await database.users.update_one({"_id": user_id}, {"$set": {"stats.goalsCompleted": 7}})
    await database.chat_messages.delete_many({"a": address, "role": "coach"})
    await database.goals.update_many({"a": address, "status": "done"}, {"$set": {"status": "open"}})
    await database.goals.delete_one({"a": address, "gone": True})
    await database.goals.insert_one({"_id": f"stray-{user_id}", "a": address, "seq": 1, "title": "Nobody's"})
    await database.heads.delete_one({"_id": address})


async def passed(work: Rebuild, *, until: int = 100) -> Progress:
    """A pass that is cut short after so many addresses."""

    def told(progress: Progress) -> None:
        if progress.addresses == until and progress.share < 1:
            raise InterruptedError

    try:
        await work.run(told)
    except InterruptedError:
        assert work.progress.addresses == until
    return work.progress


def fail(event: str, fields: dict[str, Any]) -> None:
    raise AssertionError((event, fields))


async def test_what_was_deleted_or_damaged_is_as_it_was(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        users = [await live(node), await live(node)]
    async with connected(mongo.url, database=database) as db:
        before = [await seen(db, user_id) for user_id in users]
        for user_id in users:
            await damage(db, user_id)
        async with rebuilding(mongo.url, database, {1: MASTER}, fail) as work:
            first = await passed(work, until=1)
        assert (first.addresses, first.strays, 0 < first.share < 1) == (1, 1, True)
        async with rebuilding(mongo.url, database, {1: MASTER}, fail) as work:
            rest = await passed(work)
        assert (rest.addresses, rest.strays, rest.share, rest.failed) == (1, 1, 1.0, [])
        assert [await seen(db, user_id) for user_id in users] == before
        assert await db.schema.find_one({"_id": MARK}) is None


async def test_beside_a_running_node_nothing_newer_is_lost(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node, connected(mongo.url, database=database) as db:
        user_id = await live(node)
        await damage(db, user_id)
        over = asyncio.Event()

        async def go_on() -> int:
            count = 0
            while not over.is_set():
                await node.order(CreateGoal(f"Goal {count}"))
                count += 1
                await asyncio.sleep(0.01)
            return count

        going = asyncio.create_task(go_on(), name="going")
        for _ in range(3):
            async with rebuilding(mongo.url, database, {1: MASTER}, fail) as work:
                await passed(work)
        over.set()
        made = await going
        goals = (await seen(db, user_id))[2]
        assert len(goals) == made + 2
        session = node.session()
        assert session is not None
        assert {goal.id: goal for goal in goals} == session.state.goals


async def test_a_log_that_cannot_be_read_is_named_and_the_others_are_seen_to(mongo: ReplicaSet, database: str) -> None:
    reports: list[str] = []
    async with inside(mongo.url, database) as node, connected(mongo.url, database=database) as db:
        broken, whole = [await live(node), await live(node)]
        before = await seen(db, whole)
        await damage(db, whole)
        await db.event_log.delete_one({"a": session_address(broken), "_id": {"$regex": "0000000002$"}})
        async with rebuilding(mongo.url, database, {1: MASTER}, lambda event, _: reports.append(event)) as work:
            progress = await passed(work)
        assert progress.failed == [session_address(broken)]
        assert reports == ["log.gap"]
        assert await seen(db, whole) == before


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time is rest: none of it here."""
    monkeypatch.setattr("scripts.embedded.rebuild.REST", 0.0)
