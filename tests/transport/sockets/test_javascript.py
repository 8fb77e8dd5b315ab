"""Stock JavaScript clients: both paths and parsers, default upgrade, refusals, and whether they come back by themselves."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from scripts.embedded.node import node_command
from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import cid

JS = Path(__file__).parents[2] / "js"


class Script:
    """A device script that runs: what it printed so far, and a way to tell it what to send."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.seen: list[dict[str, Any]] = []

    async def until(self, saw: str, count: int = 1) -> list[Any]:
        """The data of all it saw of that name, once there are so many."""
        assert self.child.stdout is not None
        async with asyncio.timeout(15):
            while len(found := [line["data"] for line in self.seen if line["saw"] == saw]) < count:
                line = await self.child.stdout.readline()
                assert line, f"ended without {saw}: {self.seen}"
                self.seen.append(json.loads(line))
        return found

    async def ask(self, name: str, body: Any) -> Any:
        acks = len([line for line in self.seen if line["saw"] == "ack"])
        self._tell({"emit": name, "body": body})
        return (await self.until("ack", acks + 1))[-1]

    def _tell(self, words: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(words).encode() + b"\n")


@asynccontextmanager
async def script(name: str, node: Node, token: str, *since: str) -> AsyncIterator[Script]:
    command = [*node_command(), str(JS / name), node.url, "ann@example.org", "-", *since]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TOKEN": token},
    )
    try:
        yield Script(child)
    finally:
        child.kill()
        await child.communicate()


Run = Callable[..., Awaitable[Script]]


@pytest_asyncio.fixture
async def run() -> AsyncIterator[Run]:
    async with AsyncExitStack() as stack:

        async def start(*words: Any) -> Script:
            return await stack.enter_async_context(script(*words))

        yield start


async def test_two_stock_clients_on_both_paths_see_the_same(start_node: StartNode, run: Run) -> None:
    node = await start_node()
    first = await run("first_device.mjs", node, "ann/s1")
    second = await run("second_device.mjs", node, "ann/s2")
    await first.until("session.ready")
    await second.until("session.ready")
    await first.until("connect")
    assert (await first.until("upgrade"))[0] == {"transport": "websocket"}
    assert (await second.until("connect"))[0] == {"transport": "websocket"}
    sent = await first.ask("chat.send", {"cid": cid(), "text": "grüße"})
    made = await second.ask("goal.create", {"cid": cid(), "title": "run"})
    assert (sent["ok"], sent["seq"], made["ok"], made["seq"]) == (True, 1, True, 2)
    assert made["goal"]["title"] == "run"
    refused = await second.ask("goal.create", {"cid": cid(), "title": ""})
    assert refused["error"]["fields"] == {"title": "Expected `str` of length >= 1"}
    node.sessions.outbox.signal("session:ann", "reply.delta", {"message_id": "m", "index": 0, "text": "x"})
    assert await first.until("event", 2) == await second.until("event", 2)
    assert await first.until("signal") == await second.until("signal")
    assert [event["seq"] for event in await first.until("event", 2)] == [1, 2]


@pytest.mark.parametrize("name", ["first_device.mjs", "second_device.mjs"])
async def test_a_refused_client_reads_the_code(start_node: StartNode, run: Run, name: str) -> None:
    node = await start_node()
    device = await run(name, node, "forged")
    assert (await device.until("connect_error"))[0]["data"]["code"] == "unauthenticated"


@pytest.mark.parametrize("name", ["first_device.mjs", "second_device.mjs"])
async def test_after_a_drain_stock_clients_come_back_and_miss_nothing(
    start_node: StartNode,
    run: Run,
    name: str,
) -> None:
    node = await start_node()
    ann = node.sessions["ann"]
    device = await run(name, node, "ann/s1", "0")
    await device.until("session.ready")
    if name == "first_device.mjs":
        await device.until("upgrade")
    ann.say("one")
    await device.until("event")
    await node.gateway.close_all("draining", over=0.0)
    assert (await device.until("session.closing"))[0]["reconnect"]
    assert (await device.until("disconnect"))[0]["reason"] == "transport close"
    ann.say("two, while away")
    node.gateway.draining = False
    await device.until("session.ready", 2)
    ann.say("three")
    assert [event["seq"] for event in await device.until("event", 3)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["first_device.mjs", "second_device.mjs"])
async def test_after_a_revocation_stock_clients_stay_away(start_node: StartNode, run: Run, name: str) -> None:
    node = await start_node()
    device = await run(name, node, "ann/s1")
    await device.until("session.ready")
    node.logins.revoke("s1")
    assert (await device.until("session.closing"))[0]["code"] == "auth.revoked"
    assert (await device.until("disconnect"))[0]["reason"] == "io server disconnect"
    await asyncio.sleep(1.0)
    assert list(node.gateway.outbox) == []
    assert node.sessions["ann"].asked["Attach"] == 1
