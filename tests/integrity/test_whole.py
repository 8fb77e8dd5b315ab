"""Each kind of damage, planted in a real MongoDB, is found as exactly that; what is whole stays clean, busy or not."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bson
import pytest
import pytest_asyncio
import typer
from redis.asyncio import Redis
from typer.testing import CliRunner

from actors.commands import CompleteGoal, CreateGoal, RecordProgress, RemoveGoal, SendMessage
from scripts.embedded import doctor
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from scripts.integrity.findings import CODES, Finding
from storage.mongo.connect import connected
from storage.redis.membership import node_key
from storage.redis.placement import place_key
from tests.integrity.plants import NOBODY, PLANTS, Kept, remove, row
from tests.session.inside import MASTER, Inside, inside

SNAPSHOT = 6


async def live(node: Inside) -> str:
    """Goals, one of them done and one removed, and a conversation: events 1 to 8, each a document."""
    node.user_id = user_id = str(uuid.uuid4())
    await node.open()
    goals = [(await node.order(CreateGoal(title))).answer.goal.id for title in ("Chess", "Go", "Shogi")]
    await node.order(CompleteGoal(goals[0]))
    await node.order(RemoveGoal(goals[1]))
    sent = await node.order(SendMessage("How are my goals?"))
    await node.device.reply(sent.answer.reply_id)
    return user_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived(mongo: ReplicaSet) -> AsyncIterator[tuple[str, str, dict[str, list[bytes]]]]:
    """A database in which two users have lived, one of them, and all that is in it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with (
        inside(mongo.url, name, snapshot_every=SNAPSHOT) as node,
        connected(mongo.url, database=name) as database,
    ):
        user_id = await live(node)
        await live(node)
        await asyncio.sleep(0.1)  # snapshots are kept beside
        assert await database.snapshots.count_documents({"seq": SNAPSHOT}) == 2
        yield name, user_id, await Kept(mongo.url, database, user_id).everything()
        await database.client.drop_database(name)


@pytest_asyncio.fixture
async def kept(mongo: ReplicaSet, lived: tuple[str, str, dict[str, list[bytes]]]) -> AsyncIterator[Kept]:
    """As it was, whatever the test before did to it."""
    name, user_id, everything = lived
    async with connected(mongo.url, database=name) as database:
        for collection in await database.list_collection_names():
            await database[collection].delete_many({})
            if rows := everything.get(collection):
                await database[collection].insert_many([bson.decode(row) for row in rows])
        yield Kept(mongo.url, database, user_id)


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes behind our back in most tests: no need to wait long for that."""
    monkeypatch.setattr("scripts.integrity.whole.PAUSES", (0.01, 0.01))
    monkeypatch.setattr("scripts.integrity.places.SETTLED", 0.01)


async def test_what_is_whole_is_clean_and_stays_as_it_is(kept: Kept) -> None:
    before = await kept.everything()
    assert await kept.found() == []
    assert await kept.found(kept.address) == []
    assert await kept.everything() == before


@pytest.mark.parametrize("planted", PLANTS)
async def test_damage_is_found_as_what_it_is(kept: Kept, planted: str) -> None:
    plant, expected = PLANTS[planted]
    await plant(kept)
    assert await kept.found() == expected


async def test_every_code_has_been_seen() -> None:
    """But for those of the tests below."""
    seen = {code for _, expected in PLANTS.values() for code, _ in expected}
    assert seen | {"address.unknown", "place.dead"} == set(CODES)


async def test_only_what_was_named_is_looked_at(kept: Kept) -> None:
    await remove(kept, 3)
    other = await kept.database.heads.find_one({"_id": {"$ne": kept.address}})
    assert other is not None
    assert await kept.found(other["_id"]) == []
    assert await kept.found(kept.address, NOBODY) == [("address.unknown", 0), ("log.gap", 4)]


async def test_no_key_is_made_for_who_has_none(kept: Kept) -> None:
    await kept.database["keys"].delete_one({"_id": kept.user_id})
    assert await kept.found() == [("key.unsealable", 0)]
    assert await kept.database["keys"].find_one({"_id": kept.user_id}) is None


async def test_a_placement_names_a_node_that_lives(kept: Kept, valkey: Valkey) -> None:
    async with Redis.from_url(valkey.url) as redis:
        await redis.set(node_key("alive"), b"live")
        await redis.set(place_key(kept.address), b"alive")
        assert await kept.found(redis_url=valkey.url) == []
        await redis.set(place_key(NOBODY), b"dead")
        assert await kept.findings(redis_url=valkey.url) == [Finding("place.dead", NOBODY)]


async def test_beside_who_goes_on_writing_it_is_clean(mongo: ReplicaSet, database: str, monkeypatch: Any) -> None:
    """Each look meets an address that has moved on meanwhile."""
    monkeypatch.setattr("scripts.integrity.whole.PAUSES", (0.3, 0.7))
    async with inside(mongo.url, database, snapshot_every=20) as node, connected(mongo.url, database=database) as db:
        kept = Kept(mongo.url, db, await live(node))
        over = asyncio.Event()

        async def go_on() -> None:
            goal = (await node.order(CreateGoal("Chess"))).answer.goal.id
            while not over.is_set():
                await node.order(RecordProgress(goal, 50.0))
                await node.order(SendMessage("How am I doing?"))
                await node.order(CreateGoal("Go"))

        going = asyncio.create_task(go_on(), name="going")
        for _ in range(2):
            assert await kept.findings() == []
        await db.chat_messages.delete_one({"a": kept.address, "seq": 7})
        assert await kept.found() == [("row.missing", 7)]
        over.set()
        await going


async def test_the_doctor_says_what_it_found(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MASTER_KEY": MASTER.hex(),
        "DATA": str(tmp_path),
        "MONGO_URL": kept.url,
        "MONGO_DATABASE": kept.database.name,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"LIFEBUDDY_{name}", value)
    app = typer.Typer()
    app.command()(doctor.main)
    whole = await asyncio.to_thread(CliRunner().invoke, app, ["--integrity"])
    assert (whole.exit_code, "all of it is whole" in whole.stdout) == (0, True)
    await row(kept, "users", {"$inc": {"stats.goalsCompleted": 1}})
    found = await asyncio.to_thread(CliRunner().invoke, app, ["--integrity", "--json", kept.address])
    assert found.exit_code == 1
    first, last = [json.loads(line) for line in found.stdout.splitlines()]
    where = {"position": 6, "where": f"users/{kept.user_id}"}
    assert first == {"code": "row.differs", "address": kept.address, **where}
    assert (last["codes"], last["addresses"], last["events"], last["rows"]) == ({"row.differs": 1}, 1, 8, 6)
    told = await asyncio.to_thread(CliRunner().invoke, app, ["--integrity"])
    assert f"row.differs {kept.address} 6 users/{kept.user_id}" in told.stdout
    assert (told.exit_code, "Ann" in told.stdout + found.stdout) == (1, False)
