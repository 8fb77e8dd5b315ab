"""Two meshes on a real Valkey: what is asked is answered, in vain is told, and what was cut off heals."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.questions import Missed, Wake
from actors.runtime.envelope import Envelope, NotHere, Refused, Unavailable
from actors.runtime.ref import Ref
from scripts.embedded.valkey import Valkey
from transport.mesh.frames import Frames
from transport.mesh.redis import RedisMesh, channel, mesh

KEY = b"k" * 32
ANN = "session:ann"


def report(event: str, fields: dict[str, Any]) -> None: ...


@asynccontextmanager
async def pair(url: str) -> AsyncIterator[tuple[RedisMesh, RedisMesh, Redis]]:
    async with (
        Redis.from_url(url) as redis,
        mesh(redis, "one", KEY, report) as one,
        mesh(redis, "two", KEY, report) as two,
    ):
        yield one, two, redis


def at(meshed: RedisMesh, node: str) -> Ref:
    return Ref(ANN, lambda envelope: meshed.send(node, ANN, envelope))


async def test_an_ask_is_answered_with_its_remaining_time_and_its_refusal(valkey: Valkey) -> None:
    async with pair(valkey.url) as (one, two, _):
        came: list[Envelope] = []

        def arrived(address: str, envelope: Envelope) -> None:
            came.append(envelope)
            if isinstance(envelope.message, Wake):
                raise Unavailable(retry_after_ms=7)
            envelope.answer(None)

        two.arrived = arrived
        assert await at(one, "two").ask(Missed(3), timeout=2.0, trace="t") is None
        assert came[0].message == Missed(3)
        assert came[0].trace == "t"
        assert 0 < came[0].until - asyncio.get_running_loop().time() <= 2.0
        with pytest.raises(Unavailable) as refused:
            await at(one, "two").ask(Wake(), timeout=2.0)
        assert (refused.value.effect, refused.value.retry_after_ms) == ("none", 7)
        at(one, "two").tell(Wake())
        while len(came) < 3:  # noqa: ASYNC110 - nothing comes back
            await asyncio.sleep(0.01)
        assert came[2].reply is None
        assert came[2].until == math.inf


async def test_who_is_not_there_is_told_as_such(valkey: Valkey) -> None:
    async with pair(valkey.url) as (one, _, __):
        turned: list[Refused] = []

        def undelivered(address: str, envelope: Envelope, why: Refused) -> None:
            turned.append(why)
            envelope.refuse(why)

        one.undelivered = undelivered
        for node in ("nobody", "two"):  # no such node; a node that has nobody of that address
            with pytest.raises(NotHere):
                await at(one, node).ask(Wake(), timeout=2.0)
        assert len(turned) == 2


async def test_bad_frames_are_counted_and_dropped_and_the_node_stays(valkey: Valkey) -> None:
    async with pair(valkey.url) as (one, two, redis):
        good = Frames("three", KEY).pack("two", [])
        bad = [
            Frames("three", b"o" * 32).pack("two", []),
            good[:20],
            b"\x07" + good[1:],
            Frames("x", KEY).pack("one", []),
        ]
        for frame in (good, good, *bad):
            await redis.spublish(channel("two"), frame)
        two.arrived = lambda _, envelope: envelope.answer(None)
        assert await at(one, "two").ask(Wake(), timeout=2.0) is None
        assert two.dropped == {"replayed": 1, "forged": 1, "truncated": 1, "version": 1, "misaddressed": 1}


async def test_subscribers_that_are_cut_off_come_back_and_say_what_nobody_will_answer(valkey: Valkey) -> None:
    async with pair(valkey.url) as (one, two, redis):
        gaps: list[int] = []
        one.on_gap = lambda: gaps.append(1)
        two.arrived = lambda *_: None
        waiting = asyncio.ensure_future(at(one, "two").ask(Wake(), timeout=10.0))
        await asyncio.sleep(0.1)
        await redis.client_kill_filter(_type="pubsub")
        with pytest.raises(Unavailable) as refused:
            await asyncio.wait_for(waiting, 3.0)
        assert refused.value.effect == "unknown"
        assert gaps
        two.arrived = lambda _, envelope: envelope.answer(None)
        async with asyncio.timeout(5.0):
            while not await _answered(one):  # noqa: ASYNC110 - the other node's subscription
                await asyncio.sleep(0.05)


async def _answered(one: RedisMesh) -> bool:
    try:
        await at(one, "two").ask(Wake(), timeout=1.0)
    except NotHere:
        return False
    return True
