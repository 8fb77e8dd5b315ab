"""A cluster's slots move and its shards die; who has nothing to do with that notices nothing."""

import asyncio
import time

import pytest
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from actors.runtime.envelope import Unavailable
from scripts.embedded.valkey import Valkey
from storage.redis.batch import batched
from storage.redis.connect import OtherMode, connected
from storage.redis.membership import node_key
from storage.redis.placement import place_key
from storage.redis.queue import RedisQueue
from tests.storage.redis.conftest import EVERY, Node, Reports, node
from tests.valkey_cluster import Cluster, StartCluster

MANY = [f"session:{number}" for number in range(300)]


async def test_a_url_of_the_other_kind_says_so(valkey_session: Valkey, cluster_session: Cluster) -> None:
    for url, wanted in (
        (valkey_session.url.replace("redis://", "redis+cluster://"), "redis://"),
        (cluster_session.members[0].url, r"redis\+cluster://"),
    ):
        with pytest.raises(OtherMode, match=f"begins with {wanted}"):
            async with connected(url, Reports()):
                pass


async def test_a_slot_that_moves_while_it_is_used_is_followed(cluster_session: Cluster) -> None:
    async with connected(cluster_session.url, Reports()) as shards, batched(shards, Reports()) as batch:
        await batch.call("{slot}old", lambda redis: redis.set("{slot}old", 1))
        owner = await cluster_session.owner("{slot}")
        to = next(member for member in cluster_session.members if member is not owner)
        await cluster_session.begin_move("{slot}", to)
        assert await batch.call("{slot}new", lambda redis: redis.set("{slot}new", 2, nx=True, get=True)) is None
        assert await batch.call("{slot}old", lambda redis: redis.get("{slot}old")) == b"1"
        await cluster_session.end_move("{slot}", owner, to)
        assert await batch.call("{slot}new", lambda redis: redis.get("{slot}new")) == b"2"
        assert await batch.call("{slot}old", lambda redis: redis.get("{slot}old")) == b"1"


async def test_a_shard_that_dies_costs_only_its_own_addresses_until_its_replica_is_promoted(
    start_cluster: StartCluster,
) -> None:
    cluster = await start_cluster(replicas=1)
    dies = cluster.members[0]
    name = next(name for name in MANY if not _first(node_key(name)))
    async with node(cluster.url, ttl=8, name=name) as ours:
        owners = {address: _first(place_key(address)) for address in MANY}
        await asyncio.gather(*map(ours.placement.claim, MANY[:100]))
        dies.kill()
        began = time.monotonic()
        others = [address for address in MANY[100:200] if not owners[address]]
        await asyncio.gather(*map(ours.placement.claim, others))
        assert time.monotonic() - began < 1
        theirs = next(address for address in MANY[100:200] if owners[address])
        with pytest.raises(Unavailable):
            await ours.placement.claim(theirs)
        await _claimed(ours, theirs, within=10)
        await asyncio.sleep(2 * EVERY)
        assert all(await asyncio.gather(*map(ours.placement.holds, MANY[:100])))


def _first(key: str) -> bool:
    """Whether the first shard has it: it has the first third of the slots."""
    return key_slot(key.encode()) < REDIS_CLUSTER_HASH_SLOTS // 3


async def _claimed(ours: Node, address: str, within: float) -> None:
    async with asyncio.timeout(within):
        while True:
            try:
                return await ours.placement.claim(address)
            except Unavailable:
                await asyncio.sleep(0.1)


async def test_background_work_is_called_out_on_a_cluster_too(cluster_session: Cluster) -> None:
    queue, stop = RedisQueue(cluster_session.url), asyncio.Event()
    done: list[str] = []

    async def do(job_id: str) -> None:
        done.append(job_id)
        stop.set()

    await queue.put("one")
    await asyncio.wait_for(queue.take(do, 1, stop, 1.0), 10)
    assert done == ["one"]
    await queue.close()
