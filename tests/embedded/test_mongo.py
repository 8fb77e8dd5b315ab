"""What one machine's MongoDB keeps over kills, restarts and moves."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from scripts.embedded.mongo import ReplicaSet, mongod
from tests.conftest import StartMongo, StartReplicaSet


def connect(url: str) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(url, serverSelectionTimeoutMS=10_000)


async def _turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_an_acknowledged_write_survives_kill_nine(start_mongo: StartMongo) -> None:
    server = await start_mongo()
    async with connect(server.url) as client:
        await client.kept.rows.insert_one({"_id": 1})
        server.members[0].kill()
        await server.members[0].start_again()
        assert await client.kept.rows.count_documents({}) == 1


async def test_started_again_it_has_its_port_its_secrets_and_its_rows(tmp_path: Path) -> None:
    async with mongod(tmp_path) as first, connect(first.url) as client:
        await client.kept.rows.insert_one({"_id": 1})
    async with mongod(tmp_path) as second, connect(second.url) as client:
        assert second.url == first.url
        assert await client.kept.rows.count_documents({}) == 1


async def test_when_its_port_is_taken_it_moves_and_keeps_its_rows(tmp_path: Path) -> None:
    async with mongod(tmp_path) as first, connect(first.url) as client:
        await client.kept.rows.insert_one({"_id": 1})
    taken = await asyncio.start_server(_turn_away, "127.0.0.1", first.members[0].port)
    async with taken, mongod(tmp_path) as second, connect(second.url) as client:
        assert second.members[0].port != first.members[0].port
        assert await client.kept.rows.count_documents({}) == 1


async def test_nobody_gets_in_without_the_password(mongo: ReplicaSet) -> None:
    async with connect(f"mongodb://{mongo.members[0].host}/?directConnection=true") as nobody:
        with pytest.raises(OperationFailure, match="requires authentication"):
            await nobody.kept.rows.find_one({})


async def test_the_server_s_user_may_not_administer(mongo: ReplicaSet) -> None:
    async with connect(mongo.url) as client:
        with pytest.raises(OperationFailure, match="not authorized"):
            await client.admin.command({"createUser": "another", "pwd": "x", "roles": ["root"]})


async def test_secrets_are_their_owner_s_alone(tmp_path: Path) -> None:
    async with mongod(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes == {"key-file": 0o600, "admin": 0o600, "lifebuddy": 0o600}


@pytest.mark.slow
async def test_of_three_another_takes_over_and_the_lost_one_comes_back(start_replica_set: StartReplicaSet) -> None:
    three = await start_replica_set()
    lost = await three.primary()
    async with connect(three.url) as client:
        await client.kept.rows.insert_one({"_id": 1})
        lost.kill()
        assert await three.primary() is not lost
        await client.kept.rows.insert_one({"_id": 2})
        await lost.start_again()
        await three.all_in_place()
        assert await client.kept.rows.count_documents({}) == 2


@pytest.mark.slow
async def test_fail_points_can_be_set_on_members(start_replica_set: StartReplicaSet) -> None:
    three = await start_replica_set()
    behind = (await three.secondaries())[0]
    answer: dict[str, object] = {}
    async with behind.connected(admin=True) as admin, asyncio.timeout(15):
        while not answer:
            with contextlib.suppress(OperationFailure):  # its users come to a secondary a moment after it is in place
                answer = await admin.admin.command({"configureFailPoint": "stopReplProducer", "mode": "alwaysOn"})
            await asyncio.sleep(0.05)
    assert answer["ok"] == 1
