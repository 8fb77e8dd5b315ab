"""The mesh on a real Valkey: asks come through and back, a cut is noticed, and what nobody may send is dropped."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from actors.questions import Attached, Missed
from actors.runtime.envelope import Envelope, NotHere, Refused, Unavailable
from scripts.embedded.valkey import Valkey
from storage.redis.connect import connected
from storage.redis.shards import Shards
from tests.transport.sockets.devices import eventually
from tests.valkey_cluster import Cluster
from transport.mesh.frames import Frames
from transport.mesh.redis import RedisMesh, channel, mesh

KEY = secrets.token_bytes(32)
ANN = "session:ann"


@dataclass
class End:
    """One node's mesh; `answer` is what an address here does with a message."""

    mesh: RedisMesh
    gaps: list[int] = field(default_factory=list)
    strays: list[Refused] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    answer: Callable[[Envelope], None] = lambda envelope: envelope.answer(Attached("log", envelope.message.since))

    async def ask(self, other: "End", since: int = 7, *, within: float = 5.0) -> Any:
        loop = asyncio.get_running_loop()
        reply = loop.create_future()
        self.mesh.send(other.mesh.node, ANN, Envelope(Missed(since), reply, until=loop.time() + within))
        return await asyncio.wait_for(reply, within)


@dataclass
class Two:
    redis: Shards
    one: End
    other: End


@asynccontextmanager
async def _end(redis: Shards, node: str) -> AsyncIterator[End]:
    reports: list[str] = []
    async with mesh(redis, node, KEY, lambda event, _: reports.append(event)) as made:
        end = End(made, reports=reports)

        def undelivered(_: str, envelope: Envelope, why: Refused) -> None:
            end.strays.append(why)
            envelope.refuse(why)

        made.arrived, made.undelivered = lambda _, envelope: end.answer(envelope), undelivered
        made.on_gap = lambda: end.gaps.append(1)
        yield end


@pytest.fixture(params=["valkey_session", "cluster_session"], ids=["one", "cluster"])
def server(request: pytest.FixtureRequest) -> Valkey | Cluster:
    found: Valkey | Cluster = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def ends(url: str) -> AsyncIterator[Two]:
    """Two nodes that nobody else talks to."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(connected(url, lambda *_: None, time_limit=0.5))
        names = (f"{name}-{secrets.token_hex(4)}" for name in ("one", "other"))
        one, other = [await stack.enter_async_context(_end(redis, node)) for node in names]
        yield Two(redis, one, other)


@pytest_asyncio.fixture
async def two(server: Valkey | Cluster) -> AsyncIterator[Two]:
    async with ends(server.url) as two:
        yield two


async def test_an_ask_comes_back_with_its_answer_or_its_refusal(two: Two) -> None:
    answers = await asyncio.gather(*(two.one.ask(two.other, number) for number in range(200)))
    assert [answer.seq for answer in answers] == list(range(200))
    two.other.answer = lambda envelope: envelope.refuse(Unavailable(retry_after_ms=11))
    refused = await asyncio.gather(two.one.ask(two.other), return_exceptions=True)
    assert isinstance(refused[0], Unavailable)
    assert refused[0].retry_after_ms == 11


async def test_what_nobody_listens_for_is_given_back(two: Two) -> None:
    gone = End(RedisMesh(two.redis, "gone", Frames("gone", KEY), lambda *_: None))
    refused = await asyncio.gather(two.one.ask(gone), return_exceptions=True)
    assert isinstance(refused[0], NotHere)
    assert len(two.one.strays) == 1


async def test_a_cut_is_noticed_at_once_and_askers_are_told_that_nothing_is_known(two: Two) -> None:
    two.other.answer = lambda _: None
    asking = asyncio.ensure_future(two.one.ask(two.other))
    await eventually(lambda: two.one.mesh._asked)
    before = len(two.one.gaps), len(two.other.gaps)
    killed = await asyncio.gather(*(shard.client_kill_filter(_type="pubsub") for shard in two.redis.all))
    assert sum(killed) == 2
    await eventually(lambda: len(two.one.gaps) > before[0] and len(two.other.gaps) > before[1], seconds=5)
    refused = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(refused[0], Unavailable)
    assert refused[0].effect == "unknown"
    assert "mesh.cut_off" in two.one.reports
    two.other.answer = End.answer
    assert (await two.one.ask(two.other, 3)).seq == 3


async def test_frames_nobody_may_send_are_counted_and_the_node_goes_on(two: Two) -> None:
    other = two.other.mesh.node
    frames = Frames(two.one.mesh.node, KEY)
    whole = frames.pack(other, [])
    bad = {
        "truncated": whole[:20],
        "version": b"\x09" + whole[1:],
        "forged": Frames(two.one.mesh.node, secrets.token_bytes(32)).pack(other, []),
        "misaddressed": frames.pack("another", []),
        "replayed": whole,
    }
    await two.one.ask(two.other)
    for frame in bad.values():
        await two.redis.at(channel(other)).spublish(channel(other), frame)
    await eventually(lambda: two.other.mesh.dropped.total() == len(bad))
    assert dict(two.other.mesh.dropped) == dict.fromkeys(bad, 1)
    assert (await two.one.ask(two.other, 5)).seq == 5
