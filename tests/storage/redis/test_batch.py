"""Calls that share a round trip each get their own answer, and none waits for ever."""

import asyncio

import pytest

from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.owned import owned
from storage.redis import batch as module
from storage.redis.batch import batched
from storage.redis.connect import connected
from storage.redis.shards import Shards
from tests.conftest import StartValkey
from tests.storage.redis.conftest import Reports, Server


async def test_one_bad_command_spoils_only_its_own_answer(valkey: Server) -> None:
    reports = Reports()
    async with connected(valkey.url, Reports()) as redis, batched(redis, reports) as batch:
        answers = await asyncio.gather(
            batch.call("a", lambda pipe: pipe.set("a", "1", get=True)),
            batch.call("a", lambda pipe: pipe.lpush("a", "x")),
            batch.call("a", lambda pipe: pipe.get("a")),
            return_exceptions=True,
        )
    assert answers[0] is None
    assert isinstance(answers[1], Unavailable)
    assert answers[2] == b"1"
    assert reports.fields("redis.call_failed") == [{"errors": ["ResponseError"], "calls": 3}]


async def test_a_caller_that_gave_up_holds_nobody_back(valkey: Server) -> None:
    async with connected(valkey.url, Reports()) as redis, batched(redis, Reports()) as batch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await batch.call("a", lambda pipe: pipe.set("a", "1"))
        assert await batch.call("a", lambda pipe: pipe.get("a")) in {b"1", None}


async def test_who_waits_at_the_end_and_who_comes_after_it_is_refused(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with connected(server.url, Reports(), time_limit=0.5) as redis:
        async with batched(redis, Reports(), time_limit=5) as batch:
            server.freeze()
            under_way = asyncio.create_task(batch.call("a", lambda pipe: pipe.get("a")))
            await asyncio.sleep(0.05)
            waiting = asyncio.create_task(batch.call("b", lambda pipe: pipe.get("b")))
            await asyncio.sleep(0.05)
        for call in (under_way, waiting):
            with pytest.raises(Unavailable):
                await call
        with pytest.raises(Unavailable):
            await batch.call("c", lambda pipe: pipe.get("c"))
        server.thaw()


async def test_beyond_its_bound_a_batch_refuses_at_once(
    start_valkey: StartValkey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    server = await start_valkey()
    async with (
        connected(server.url, Reports(), time_limit=0.5) as redis,
        batched(redis, Reports(), time_limit=0.5) as batch,
    ):
        server.freeze()
        calls = [asyncio.create_task(batch.call("a", lambda pipe: pipe.get("a"))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await batch.call("a", lambda pipe: pipe.get("a"))
        for call in calls:
            with pytest.raises(Unavailable):
                await call
        server.thaw()


async def test_a_crashed_task_is_reported_at_once_and_raised_at_the_end(valkey: Server) -> None:
    async def crash(redis: Shards) -> None:
        await redis.check()
        raise ZeroDivisionError

    async def own(redis: Shards, reports: Reports) -> None:
        async with owned(crash(redis), "crashing", reports):
            await asyncio.sleep(0.2)
            assert reports.fields("task.crashed") == [{"task": "crashing", "error": "ZeroDivisionError"}]

    async with connected(valkey.url, Reports()) as redis:
        with pytest.raises(ZeroDivisionError):
            await own(redis, Reports())
