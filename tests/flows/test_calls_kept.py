"""`scripts/say` stays in its call when the node ends under it, by itself: its socket and its sound go elsewhere."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.fleet import fleet
from tests.flows.node import Node, node
from tests.flows.test_call_clients import Caller
from tests.flows.test_calls import providers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

THEN = "good to hear you again"
MOVED = 10.0
"""Seconds until a call stands again at another node: about one after a drain, four after a kill, on a machine with time."""
COMES_BACK = 20.0
"""Seconds in which a socket that waits longer each time is back, the answer is written, and the next file is spoken."""


class Balancer:
    """One address for all nodes; who connects is let through to `to`."""

    def __init__(self, to: Node) -> None:
        self.to = to
        self.url = ""

    async def let_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, out = await asyncio.open_connection("127.0.0.1", int(self.to.url.rpartition(":")[2]))
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(_copy(*way), name="balancer") for way in ((reader, out), (inner, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            out.close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while sent := await reader.read(2**16):
            writer.write(sent)
            await writer.drain()
    except ConnectionError:
        return


@asynccontextmanager
async def balanced(nodes: Sequence[Node]) -> AsyncIterator[Balancer]:
    """In front of the first of them."""
    balancer = Balancer(nodes[0])
    async with await asyncio.start_server(balancer.let_through, "127.0.0.1") as server:
        balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield balancer


async def test_the_call_goes_on_at_a_node_that_was_killed_and_started_again(
    mongo: ReplicaSet, valkey: Valkey, tmp_path: Path
) -> None:
    async with providers() as (speech, settings), node(tmp_path, mongo.url, valkey.url, **settings) as server:
        caller = Caller(server.url, speech, tmp_path)
        talks = asyncio.create_task(caller.say(caller.wav("slow: are you there"), caller.wav(THEN)), name="say")
        await speech.until(lambda heard: bool(heard.spoken))
        await asyncio.sleep(1.0)
        server.kill()
        await server.start_ready()
        ready = time.monotonic()
        await speech.until(lambda heard: f"You said: {THEN}" in heard.spoken)
        assert time.monotonic() - ready < COMES_BACK
        code, said, wrong = await talks
    assert (code, wrong) == (0, ""), said
    assert f"coach > You said: {THEN}" in said


@pytest.mark.parametrize(("how", "words"), [("drained", "long: tell me a story"), ("killed", "slow: are you there")])
async def test_the_call_goes_on_at_another_node(
    mongo: ReplicaSet, valkey: Valkey, tmp_path: Path, how: str, words: str
) -> None:
    async with (
        providers() as (speech, settings),
        fleet(tmp_path, mongo, valkey.url, 2, **settings) as (first, second),
        balanced((first, second)) as balancer,
    ):
        caller = Caller(balancer.url, speech, tmp_path)
        talks = asyncio.create_task(caller.say(caller.wav(words), caller.wav(THEN)), name="say")
        await speech.until(lambda heard: bool(heard.spoken))
        await asyncio.sleep(1.0)
        balancer.to = second
        if how == "drained":
            assert await first.stop(30)
        else:
            first.kill()
        code, said, wrong = await talks
    assert (code, wrong) == (0, ""), said
    assert f"coach > You said: {THEN}" in said
    (took,) = re.findall(r"connected anew after (\d\.\d) s", said)
    assert float(took) < MOVED
    assert re.search(r"good\.wav: answered \d+ ms after", said)
