"""What came due while its node was dead is done by another, once, with nobody there."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import signed_up
from tests.flows.node import node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # two nodes start
SERVER = str(Path(__file__).with_name("ticking_server.py"))


async def test_another_node_does_what_came_due_after_its_node_was_killed(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    shared = {"LIFEBUDDY_MASTER_KEY": "ab" * 32, "LIFEBUDDY_SIGNING_KEYS": str(tmp_path / "keys")}
    settings = {**shared, "LIFEBUDDY_MONGO_DATABASE": database}
    async with (
        node(tmp_path / "first", mongo.url, valkey.url, program=SERVER, **settings) as first,
        node(tmp_path / "second", mongo.url, valkey.url, program=SERVER, **settings) as second,
        signed_up(first.url) as app,
    ):
        at = datetime.now(UTC) + timedelta(seconds=1)
        await app.surely("goal.create", {"title": at.isoformat()})
        await app.surely("goal.create", {"title": (at + timedelta(days=1)).isoformat()})
        first.kill()
        await app.disconnect()
        await _until_in_the_log(mongo, database, 4)
        app.url = second.url
        await app.connect()
        log = await app.whole_log()
        assert [event["type"] for event in log] == [
            "account.opened",
            "goal.created",
            "goal.created",
            "goal.completed",
        ]
        assert log[3]["data"]["goal_id"] == log[1]["data"]["goal"]["id"]


async def _until_in_the_log(mongo: ReplicaSet, database: str, count: int) -> None:
    async with AsyncMongoClient[dict[str, object]](mongo.admin_url) as client, asyncio.timeout(20):
        log = client[database]["event_log"]
        while await log.count_documents({}) < count:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
