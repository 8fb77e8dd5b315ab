"""The user's word on an action counts once, though the node is killed while it is given (G1, G2)."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import App, signed_up
from tests.flows.browser import JS, browser
from tests.flows.node import Node, node
from tests.scripted_model import calls_then_says, scripted_model

USERS, KILLS = 6, 2
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]  # nodes that start over
ASKED = calls_then_says(("create_goal", {"title": "Run"}), ("remove_goal", {"goal": "Chess"}), text="Shall I?")


@pytest_asyncio.fixture
async def server(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> AsyncIterator[Node]:
    async with scripted_model(otherwise=ASKED) as model:
        settings = {"LIFEBUDDY_MONGO_DATABASE": database, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "scripted"}
        async with node(tmp_path, mongo.url, valkey.url, **settings) as started:
            yield started


async def with_actions(app: App) -> dict[str, str]:
    """The ids of what was done at once (`create_goal`) and of what waits (`remove_goal`), by the tool."""
    await app.surely("goal.create", {"title": "Chess"})
    sent = await app.surely("chat.send", {"text": "Forget chess, I want to run"})
    await app.replied(sent["reply_id"])
    _, page = await app.rest("GET", "/v1/actions")
    return {action["tool"]: action["id"] for action in page["items"]}


async def checked(app: App, ids: dict[str, str]) -> None:
    """Each word had its one effect, whole, in a log without a gap."""
    log = await app.whole_log()
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    kinds = [event["type"] for event in log]
    assert (kinds.count("goal.removed"), kinds.count("action.resolved")) == (2, 2)
    assert all(kinds[place + 1] == "action.resolved" for place, kind in enumerate(kinds) if kind == "goal.removed")
    outcomes = {event["data"]["action_id"]: event["data"]["outcome"] for event in log if "outcome" in event["data"]}
    assert outcomes == {ids["create_goal"]: "undone", ids["remove_goal"]: "confirmed"}
    assert (await app.rest("GET", "/v1/goals"))[1]["items"] == []
    assert (await app.rest("GET", "/v1/actions"))[1]["items"] == []


async def test_a_word_given_while_the_node_is_killed_has_one_effect(server: Node) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(signed_up(server.url)) for _ in range(USERS)]
        given = await asyncio.gather(*(with_actions(app) for app in apps))

        async def give(app: App, ids: dict[str, str], after: float) -> None:
            await asyncio.sleep(after)
            for name, tool in (("action.confirm", "remove_goal"), ("action.undo", "create_goal")):
                body: dict[str, Any] = {"action_id": ids[tool]}
                ack = await app.surely(name, body)
                assert await app.surely(name, body) == ack

        async def kill() -> None:
            for _ in range(KILLS):
                server.kill()
                await server.start_ready()
                await asyncio.sleep(0.2)

        words = (give(app, ids, n * 0.02) for n, (app, ids) in enumerate(zip(apps, given, strict=True)))
        await asyncio.gather(*words, kill())
        for app, ids in zip(apps, given, strict=True):
            await app.connect()
            await checked(app, ids)
        assert "Traceback" not in server.output


@pytest.mark.skipif(not (JS / "node_modules").exists(), reason="scripts/test installs the JavaScript clients")
async def test_a_stock_client_that_asks_again_by_itself_is_answered_by_the_next_life(server: Node) -> None:
    async with signed_up(server.url) as app:
        ids = await with_actions(app)
        variables = {"TOKEN": app.tokens["access_token"], "RETRIES": "60"}
        async with browser("first_device.mjs", server.url, "", "", "0", **variables) as device:
            await device.first("session.ready")
            server.kill()
            asking = asyncio.create_task(
                device.send("action.confirm", {"cid": str(uuid.uuid4()), "action_id": ids["remove_goal"]}), name="ask"
            )
            await device.first("disconnect")
            await server.start_ready()
            ack = await asking
            assert (ack["ok"], ack["action"]["state"]) == (True, "confirmed")
            undone = {"cid": str(uuid.uuid4()), "action_id": ids["create_goal"]}
            assert (await device.send("action.undo", undone))["action"]["state"] == "undone"
            await device.until(lambda one: one["saw"] == "event" and one["data"]["type"] == "goal.removed")
        await app.connect()
        await checked(app, ids)
        await app.disconnect()
