"""A node lives while its key does, and never believes in its lease longer than Redis does."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from storage.redis.connect import connected
from storage.redis.membership import NODES, Lease, member, node_key
from tests.conftest import StartValkey
from tests.storage.redis.conftest import EVERY, TTL, Reports, Server, node


@given(sent=st.lists(st.floats(0, 1e6), max_size=5), now=st.floats(0, 1e6), ttl=st.floats(0.1, 60))
def test_a_lease_ends_its_ttl_after_the_newest_refresh_was_sent(sent: list[float], now: float, ttl: float) -> None:
    clock = [0.0]
    lease = Lease(ttl, lambda: clock[0])
    assert not lease.valid()
    for moment in sent:
        lease.renew(moment)
    clock[0] = now
    assert lease.valid() == any(now < moment + ttl for moment in sent)


async def test_a_member_is_seen_by_others_until_it_leaves(valkey: Server) -> None:
    async with connected(valkey.url, Reports()) as watcher:
        async with node(valkey.url) as ours:
            key = node_key(ours.membership.node)
            assert ours.membership.lease.valid()
            assert await watcher.at(key).get(key) == b"live"
            await asyncio.sleep(TTL + EVERY)
            assert ours.membership.lease.valid()
            assert await watcher.at(key).exists(key)
            assert 0 < await watcher.at(key).pttl(key) <= TTL * 1000
        assert not await watcher.at(key).exists(key)


async def test_every_incarnation_is_another_node(valkey: Server) -> None:
    async with node(valkey.url) as first, node(valkey.url) as second:
        assert first.membership.node != second.membership.node


async def test_a_draining_member_says_so_at_once(valkey: Server) -> None:
    async with node(valkey.url) as ours:
        await ours.membership.drain()
        key = node_key(ours.membership.node)
        assert await ours.redis.at(key).get(key) == b"draining"


async def test_whom_a_node_leaves_to_lives_and_does_not_drain(valkey: Server) -> None:
    async with (
        node(valkey.url) as ours,
        node(valkey.url) as stays,
        node(valkey.url) as drains,
        node(valkey.url) as dead,
    ):
        await drains.membership.drain()
        key = node_key(dead.membership.node)
        await ours.redis.at(key).delete(key)
        assert await ours.membership.others() == [stays.membership.node]
        assert await ours.redis.at(NODES).sismember(NODES, drains.membership.node)
        assert not await ours.redis.at(NODES).sismember(NODES, dead.membership.node)
    async with connected(valkey.url, Reports()) as redis:
        assert not await redis.at(NODES).exists(NODES)


async def test_while_redis_is_away_nobody_is_known_to_leave_to(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url) as ours, node(server.url):
        assert len(await ours.membership.others()) == 1
        server.kill()
        assert await ours.membership.others() == []


async def test_the_lease_of_a_node_that_stops_refreshing_ends_before_its_key(valkey: Server) -> None:
    async with connected(valkey.url, Reports()) as redis, member(redis, Reports(), ttl=1.0, every=60.0) as ours:
        key = node_key(ours.node)
        while ours.lease.valid():
            there = await redis.at(key).exists(key)
            assert there or not ours.lease.valid(), "both may end while Redis is asked"
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert not await redis.at(key).exists(key)


async def test_frozen_redis_ends_the_lease_and_the_way_back_is_noticed(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url) as ours:
        server.freeze()
        await asyncio.sleep(TTL + EVERY)
        assert not ours.membership.lease.valid()
        assert len(ours.reports.fields("redis.unreachable")) == 1
        server.thaw()
        await asyncio.sleep(2 * EVERY)
        assert ours.membership.lease.valid()
        assert len(ours.reports.fields("redis.reachable")) == 1


async def test_a_node_enters_while_redis_is_away_and_is_a_member_once_it_is_back(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with connected(server.url, Reports(), time_limit=0.5) as redis:
        server.kill()
        async with member(redis, Reports(), ttl=TTL, every=EVERY) as ours:
            assert not ours.lease.valid()
            await server.start_again()
            await asyncio.sleep(2 * EVERY)
            assert ours.lease.valid()


async def test_leaving_while_redis_is_away_takes_no_longer_than_a_refresh(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with connected(server.url, Reports(), time_limit=0.5) as redis:
        async with member(redis, Reports(), ttl=TTL, every=EVERY):
            server.freeze()
            left = time.monotonic()
        assert time.monotonic() - left < 3 * EVERY
        server.thaw()


async def test_no_client_without_an_answer(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    server.kill()
    with pytest.raises(RedisError):
        async with connected(server.url, Reports(), time_limit=0.5):
            pass
