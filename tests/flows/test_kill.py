"""Nothing acknowledged is ever lost: the node, mongod or Valkey killed in the midst of it (G1, G2, G3)."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.conftest import StartMongo, StartValkey
from tests.flows.app import App, signed_up
from tests.flows.node import Node, node
from tests.scripted_model import echo, scripted_model

USERS, MESSAGES, KILLS = 20, 100, 4
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # thousands of messages, and servers that come back

Kill = Callable[[Node, ReplicaSet, Valkey], Awaitable[None]]


async def kill_node(server: Node, _: ReplicaSet, __: Valkey) -> None:
    server.kill()
    await server.start_ready()


async def kill_mongod(_: Node, mongo: ReplicaSet, __: Valkey) -> None:
    mongo.members[0].kill()
    await asyncio.sleep(0.5)
    await mongo.members[0].start_again()


async def kill_valkey_and_its_data(_: Node, __: ReplicaSet, valkey: Valkey) -> None:
    valkey.kill()
    for kept in valkey.directory.glob("**/appendonly*"):
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    for kept in valkey.directory.glob("**/*.rdb"):
        kept.unlink()
    await asyncio.sleep(0.5)
    await valkey.start_again()


@pytest.mark.parametrize("kill", [kill_node, kill_mongod, kill_valkey_and_its_data], ids=lambda kill: kill.__name__)
async def test_every_acknowledged_command_is_there_once(
    kill: Kill, start_mongo: StartMongo, start_valkey: StartValkey, tmp_path: Path
) -> None:
    mongo, valkey = await start_mongo(), await start_valkey()
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model(otherwise=echo()))
        server = await stack.enter_async_context(
            node(tmp_path / "node", mongo.url, valkey.url, OPENAI_BASE_URL=model.url, OPENAI_API_KEY="scripted")
        )
        apps = [await stack.enter_async_context(signed_up(server.url)) for _ in range(USERS)]
        async with asyncio.TaskGroup() as group:
            talks = [group.create_task(_talk(app)) for app in apps]
            group.create_task(_kill_now_and_then(kill, server, mongo, valkey, talks))
        for app in apps:
            await _check(app)
        assert sum(len(app.acks) for app in apps) == USERS * MESSAGES
        assert "Traceback" not in server.output
        assert '"actor.crashed"' not in server.output
        assert '"log.gap"' not in server.output


async def _talk(app: App) -> None:
    """Bursts of messages, each acknowledged before the next; half of them were asked twice."""
    for number in range(MESSAGES):
        body: dict[str, Any] = {"text": f"message {number} of {app.email}"}
        ack = await app.surely("chat.send", body, within=120)
        if random.random() < 0.1:
            assert await app.surely("chat.send", body, within=120) == ack


async def _kill_now_and_then(
    kill: Kill, server: Node, mongo: ReplicaSet, valkey: Valkey, talks: list[asyncio.Task[None]]
) -> None:
    kills = 0
    while kills < KILLS and not all(talk.done() for talk in talks):
        await asyncio.sleep(random.uniform(0.5, 1.5))
        await kill(server, mongo, valkey)
        kills += 1
    assert kills, "everything was over before anything was killed"


async def _check(app: App) -> None:
    """Every owed reply arrives; the log is gapless; every acknowledged message is in it once, at its seq."""
    for ack in app.acks.values():
        await app.replied(ack["reply_id"], within=90)
    log = await app.whole_log()
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    said = {event["data"]["id"]: event["seq"] for event in log if event["type"] == "message.added"}
    messages = [event["data"] for event in log if event["type"] == "message.added"]
    assert len(said) == len(messages)
    for ack in app.acks.values():
        assert said[ack["message_id"]] == ack["seq"]
    texts = [message["text"] for message in messages if message["role"] == "user"]
    assert len(texts) == len(set(texts)) == len(app.acks)
    assert [event["seq"] for event in app.events] == list(range(1, app.events[-1]["seq"] + 1)), "the device missed one"
    status, page = await app.rest("GET", "/v1/chat/messages?limit=100")
    assert status == 200
    newest = sorted(messages, key=lambda message: said[message["id"]])[-len(page["items"]) :]
    assert [row["id"] for row in reversed(page["items"])] == [message["id"] for message in newest]
