"""Limits of the whole fleet: exact under a race, hidden subjects, and a quick word when Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.domain.rate_limit import Limit
from actors.ports import Take
from actors.runtime.envelope import Unavailable
from storage.redis.connect import connected
from storage.redis.counters import RedisCounters, counters
from storage.sealing import Secrets
from tests.conftest import StartValkey
from tests.storage.redis.conftest import Reports, Server, keys

FIVE = Take(Limit(5 / 300, 5, "five"), "ann@example.org")
QUICK = Take(Limit(10, 1, "quick"), "ann@example.org")


@asynccontextmanager
async def counting(url: str) -> AsyncIterator[RedisCounters]:
    async with connected(url, Reports()) as redis, counters(redis, Secrets(bytes(32)).digest, Reports()) as opened:
        yield opened


async def test_of_many_at_once_on_two_nodes_exactly_the_burst_comes_through(valkey: Server) -> None:
    async with counting(valkey.url) as one, counting(valkey.url) as other:
        answers = await asyncio.gather(*((one, other)[n % 2].take([FIVE]) for n in range(40)))
        standings = [standing for (standing,) in answers]
        assert sum(not standing.wait for standing in standings) == 5
        assert sorted({standing.remaining for standing in standings}) == [0, 1, 2, 3, 4]
        (met,) = await one.take([FIVE])
        assert 55 < met.wait <= 60
        assert 295 < met.reset <= 300


async def test_one_comes_back_after_its_time_and_the_key_goes_with_the_last(valkey: Server) -> None:
    async with counting(valkey.url) as limits, connected(valkey.url, Reports()) as redis:
        (first,), (second,) = await limits.take([QUICK]), await limits.take([QUICK])
        assert (first.wait, 0 < second.wait <= 0.1) == (0, True)
        await asyncio.sleep(second.wait)
        assert (await limits.take([QUICK]))[0].wait == 0
        await asyncio.sleep(0.15)
        assert await keys(redis, "limit:*") == []


async def test_what_is_given_back_was_never_taken(valkey: Server) -> None:
    async with counting(valkey.url) as limits, connected(valkey.url, Reports()) as redis:
        for _ in range(8):
            assert (await limits.take([FIVE]))[0].wait == 0
            await limits.give_back(FIVE)
        await limits.give_back(FIVE)
        assert await keys(redis, "limit:*") == []


async def test_an_address_is_one_however_it_is_written_and_nobody_reads_it_in_redis(valkey: Server) -> None:
    async with counting(valkey.url) as limits, connected(valkey.url, Reports()) as redis:
        await limits.take([FIVE])
        (standing,) = await limits.take([Take(FIVE.limit, " ANN@Example.org")])
        assert standing.remaining == 3
        await limits.remember("ann@example.org\n203.0.113.7")
        assert await limits.remembers("ann@example.org\n203.0.113.7")
        assert not await limits.remembers("ann@example.org\n203.0.113.8")
        assert not [key for key in await keys(redis) if b"ann" in key or b"203" in key]


async def test_a_frozen_redis_costs_a_quarter_of_a_second(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with counting(server.url) as limits:
        server.freeze()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await limits.take([FIVE])
        assert time.monotonic() - began < 1.0
        server.thaw()
