"""An address lives on one node that lives; Redis may die or forget, and what is held goes on."""

import asyncio
import shutil
import time

import pytest

from actors.runtime.envelope import NotHere, Unavailable
from actors.runtime.outside import Placement
from scripts.embedded.valkey import Valkey
from storage.redis.membership import node_key
from storage.redis.placement import place_key
from tests.conftest import StartValkey
from tests.storage.redis.conftest import EVERY, TTL, Node, Server, node

ANN = "session:ann"
MANY = [f"session:{number}" for number in range(1000)]


async def placed_at(node: Node, address: str) -> str | None:
    key = place_key(address)
    held = await node.redis.at(key).get(key)
    return held.decode() if isinstance(held, bytes) else held


async def reads(node: Node) -> int:
    stats = await asyncio.gather(*(shard.info("stats") for shard in node.redis.all))
    return sum(one["total_reads_processed"] for one in stats)


async def die(node: Node) -> None:
    """What others see of a node that was killed, once its lease is over: its places, but no key of its own."""
    key = node_key(node.membership.node)
    await node.redis.at(key).delete(key)


async def lose_data(server: Valkey) -> None:
    server.kill()
    shutil.rmtree(server.directory / "appendonlydir")
    await server.start_again()


async def test_of_two_nodes_one_gets_the_address_and_the_other_is_told_who(valkey: Server) -> None:
    async with node(valkey.url) as one, node(valkey.url) as two:
        outcomes = await asyncio.gather(one.placement.claim(ANN), two.placement.claim(ANN), return_exceptions=True)
        winner, loser = (one, two) if outcomes[0] is None else (two, one)
        refused = [outcome for outcome in outcomes if isinstance(outcome, NotHere)]
        assert [refusal.node for refusal in refused] == [winner.membership.node]
        assert await winner.placement.holds(ANN)
        assert not await loser.placement.holds(ANN)


async def test_the_runtime_gets_what_it_asks_for(valkey: Server) -> None:
    async with node(valkey.url) as ours:
        runtimes: Placement = ours.placement
        assert runtimes.valid()
        await runtimes.claim(ANN)
        assert await runtimes.holds(ANN)


async def test_claiming_what_one_holds_is_harmless(valkey: Server) -> None:
    async with node(valkey.url) as ours:
        await ours.placement.claim(ANN)
        await ours.placement.claim(ANN)
        assert await ours.placement.holds(ANN)


async def test_a_released_address_is_free_for_another(valkey: Server) -> None:
    async with node(valkey.url) as one, node(valkey.url) as two:
        await one.placement.claim(ANN)
        await one.placement.release(ANN)
        assert await placed_at(one, ANN) is None
        await two.placement.claim(ANN)
        assert await two.placement.holds(ANN)


async def test_release_frees_nothing_that_another_holds_by_now(valkey: Server) -> None:
    async with node(valkey.url) as one, node(valkey.url) as two:
        await one.placement.claim(ANN)
        await one.redis.at(place_key(ANN)).set(place_key(ANN), two.membership.node)
        await one.placement.release(ANN)
        assert await placed_at(one, ANN) == two.membership.node


async def test_a_dead_nodes_address_is_taken_over_by_exactly_one(valkey: Server) -> None:
    async with node(valkey.url, every=60) as dead, node(valkey.url) as one, node(valkey.url) as two:
        await dead.placement.claim(ANN)
        with pytest.raises(NotHere):
            await one.placement.claim(ANN)
        await die(dead)
        outcomes = await asyncio.gather(one.placement.claim(ANN), two.placement.claim(ANN), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(NotHere) == 1
        assert await placed_at(one, ANN) in {one.membership.node, two.membership.node}
        assert not await dead.placement.holds(ANN)


async def test_a_thousand_claims_take_few_round_trips(valkey: Server) -> None:
    async with node(valkey.url) as ours:
        before = await reads(ours)
        began = time.monotonic()
        await asyncio.gather(*map(ours.placement.claim, MANY))
        assert time.monotonic() - began < 2
        assert await reads(ours) - before < 30 * len(ours.redis.all)
        assert await placed_at(ours, MANY[-1]) == ours.membership.node


async def test_a_node_that_drains_claims_nothing_and_keeps_what_it_has(valkey: Server) -> None:
    async with node(valkey.url) as ours:
        await ours.placement.claim(ANN)
        await ours.membership.drain()
        with pytest.raises(Unavailable):
            await ours.placement.claim("session:bo")
        assert await ours.placement.holds(ANN)


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_without_redis_claims_and_lookups_are_refused_soon_and_release_is_silent(
    start_valkey: StartValkey,
    way: str,
) -> None:
    server = await start_valkey()
    async with node(server.url) as ours:
        await ours.placement.claim(ANN)
        stop = {"killed": server.kill, "frozen": server.freeze}[way]
        stop()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await ours.placement.claim("session:bo")
        with pytest.raises(Unavailable):
            await ours.placement.holds(ANN)
        assert ours.placement.held == {ANN}
        await ours.placement.release(ANN)
        assert time.monotonic() - began < 3
        server.thaw()


async def test_what_is_held_is_claimed_again_when_redis_loses_its_data(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url) as ours:
        await asyncio.gather(*map(ours.placement.claim, MANY))
        await ours.placement.release(MANY[0])
        await lose_data(server)
        await asyncio.sleep(4 * EVERY)
        assert ours.reports.fields("placement.swept") == [{"claimed": 999, "lost": 0}]
        assert await placed_at(ours, MANY[0]) is None
        places = await ours.redis.all[0].mget([place_key(address) for address in MANY[1:]])
        assert set(places) == {ours.membership.node.encode()}


async def test_flushing_redis_is_noticed_though_it_never_went_away(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url) as ours:
        await ours.placement.claim(ANN)
        await ours.redis.all[0].flushall()
        await asyncio.sleep(2 * EVERY)
        assert await ours.placement.holds(ANN)


async def test_a_restarted_redis_that_kept_our_key_is_swept_too(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url, ttl=8) as ours:
        await ours.placement.claim(ANN)
        await asyncio.sleep(1.2)  # its append-only file is written once a second
        await ours.redis.all[0].delete(place_key(ANN))  # the write that a crash may forget
        await server.stop()
        await server.start_again()
        await asyncio.sleep(3 * EVERY)
        assert ours.reports.fields("membership.lost") == [{"lapsed": False, "other_redis": True}]
        assert await ours.placement.holds(ANN)


async def test_the_sweep_tells_which_addresses_another_node_took_meanwhile(start_valkey: StartValkey) -> None:
    server = await start_valkey()
    async with node(server.url, ttl=60, every=30) as one, node(server.url, ttl=60, every=30) as two:
        lost: list[str] = []
        one.placement.on_lost = lost.append
        await asyncio.gather(*map(one.placement.claim, MANY[:10]))
        await one.redis.all[0].flushall()
        await two.placement.claim(MANY[3])
        await one.membership.refresh()
        await asyncio.sleep(EVERY)
        assert lost == [MANY[3]]
        assert MANY[3] not in one.placement.held
        assert await two.placement.holds(MANY[3])
        assert await one.placement.holds(MANY[4])


async def test_a_node_that_was_thought_dead_learns_what_was_taken_from_it(valkey: Server) -> None:
    async with node(valkey.url) as slow, node(valkey.url) as other:
        lost: list[str] = []
        slow.placement.on_lost = lost.append
        await slow.placement.claim(ANN)
        await die(slow)
        await other.placement.claim(ANN)
        await asyncio.sleep(3 * EVERY)
        assert slow.reports.fields("membership.lost") == [{"lapsed": True, "other_redis": False}]
        assert lost == [ANN]
        assert await other.placement.holds(ANN)


async def test_while_redis_hangs_everyone_is_told_at_once(start_valkey: StartValkey) -> None:
    """Who is asked about each message may not wait out a time limit each time: what is held goes on at full speed."""
    server = await start_valkey()
    async with node(server.url) as ours:
        await ours.placement.claim(ANN)
        server.freeze()
        await asyncio.sleep(TTL + 2 * EVERY)
        assert not ours.placement.valid()
        began = time.monotonic()
        for address in MANY[:20]:
            with pytest.raises(Unavailable):
                await ours.placement.holds(address)
            with pytest.raises(Unavailable):
                await ours.placement.claim(address)
        assert time.monotonic() - began < 0.3
        server.thaw()
        await asyncio.sleep(3 * EVERY)
        assert await ours.placement.holds(ANN)
