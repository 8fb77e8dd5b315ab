"""What is owed follows by itself, however late: nobody has to come back for it (G1)."""

import asyncio
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import signed_up
from tests.flows.node import node
from tests.scripted_model import hangs, says, scripted_model
from tests.storage.mongo.cutting import cut_off

pytestmark = pytest.mark.timeout(90)  # nodes that start over


async def test_a_reply_owed_by_a_killed_node_is_made_with_nobody_there(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    async with scripted_model(otherwise=hangs("I was just ")) as model:
        settings = {"LIFEBUDDY_MONGO_DATABASE": database, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "scripted"}
        async with node(tmp_path, mongo.url, valkey.url, **settings) as server:
            async with signed_up(server.url) as app:
                sent = await app.surely("chat.send", {"text": "Are you there?"})
                await app.until_signal("I was just")
            server.kill()
            model.otherwise = says("Yes, I am.")
            await server.start_ready()
            await model.until(lambda model: len(model.requests) == 2)
            await app.connect()
            reply = await app.replied(sent["reply_id"])
            assert (reply["text"], reply["state"]) == ("Yes, I am.", "complete")
            assert [event["seq"] for event in app.events] == [1, 2, 3]
            await app.disconnect()
        assert len(model.requests) == 2


async def test_a_command_whose_rows_were_never_written_is_not_acknowledged_before_a_head_says_what_it_owes(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    """MongoDB goes between append and rows, then the node dies; asked again, it dies right after the answer."""
    async with scripted_model(otherwise=hangs("I was just ")) as model:
        settings = {"LIFEBUDDY_MONGO_DATABASE": database, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "scripted"}
        async with node(tmp_path, mongo.url, valkey.url, **settings) as server, signed_up(server.url) as app:
            message = {"text": "Are you there?", "cid": "0190b2a4-7e1c-7000-8000-000000000001"}
            async with cut_off(mongo, "update"):
                asked = asyncio.create_task(app.command("chat.send", dict(message)), name="asked")
                await _committed(mongo, database, 2)
                await asyncio.sleep(1)
                assert not asked.done()
                server.kill()
                await asyncio.gather(asked, return_exceptions=True)
            await server.start_ready()
            sent = await app.surely("chat.send", dict(message))
            server.kill()
            await app.disconnect()
            model.otherwise, before = says("Yes, I am."), len(model.requests)
            await server.start_ready()
            await model.until(lambda model: len(model.requests) == before + 1)
            await app.connect()
            assert (await app.replied(sent["reply_id"]))["text"] == "Yes, I am."
            assert [event["seq"] for event in await app.whole_log()] == [1, 2, 3]


async def _committed(mongo: ReplicaSet, database: str, count: int) -> None:
    """Returns when the log holds that many commands."""
    async with AsyncMongoClient[dict[str, object]](mongo.admin_url) as client, asyncio.timeout(10):
        log = client[database]["event_log"]
        while await log.count_documents({}) < count:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
