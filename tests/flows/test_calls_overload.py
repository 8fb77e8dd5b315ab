"""A node whose loop comes late takes no call more, and says so; those who are in a call are heard and answered."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import App, signed_up
from tests.flows.node import Node, node
from tests.flows.test_calls import Place, Refused, providers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

SERVER = str(Path(__file__).with_name("late_server.py"))
BEARABLE = "0.06"
LOOKS = 10.0
"""Seconds that a node looks back upon."""


async def _burden(server: Node) -> None:
    """For ever: half of its time nothing is done."""
    while True:
        os.kill(server.pid, signal.SIGUSR1)
        await asyncio.sleep(0.25)


async def _refused(here: Place, app: App) -> Refused:
    """Once the load was seen."""
    async with asyncio.timeout(LOOKS):
        while True:
            try:
                call_id, _ = await here.call(app)
            except Refused as refused:
                return refused
            assert (await app.command("call.end", {"call_id": call_id}))["ok"]


async def test_a_late_node_refuses_a_call_more_and_the_one_it_has_goes_on(
    mongo: ReplicaSet, valkey: Valkey, tmp_path: Path
) -> None:
    async with AsyncExitStack() as opened:
        speech, settings = await opened.enter_async_context(providers())
        settings["LIFEBUDDY_CALLS_LAG_SECONDS"] = BEARABLE
        server = await opened.enter_async_context(node(tmp_path, mongo.url, valkey.url, program=SERVER, **settings))
        here = Place(server, speech, await opened.enter_async_context(signed_up(server.url)), opened)
        other = await opened.enter_async_context(signed_up(server.url))
        _, on_line = await here.call()
        burden = asyncio.create_task(_burden(server), name="burden")
        try:
            refused = await _refused(here, other)
            spoken = await here.say(on_line, "can you still hear me")
            assert (await here.answer("can you still hear me"))["spoken"]
            assert await on_line.ear.voice_after(spoken.voice_ended)
        finally:
            burden.cancel()
        assert refused.code == "overloaded"
        assert refused.after >= 1
        assert refused.message.endswith(".")
        status, problem = await other.rest("POST", "/v1/calls", {"sdp": await on_line.offer()})
        assert (status, problem["code"], bool(problem["detail"])) == (503, "overloaded", True)
        assert "ended" not in {told["state"] for told in here.told("call.state")}
        await asyncio.sleep(LOOKS)
        assert (await here.call(other))[0], "taken when the load is gone"
