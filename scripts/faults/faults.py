"""What befalls an installation, one fault after the other. Each returns when its cause is over; healing comes after."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.mongod import Mongod
from scripts.embedded.valkey import Valkey
from scripts.faults.installation import Node
from scripts.faults.numbers import Numbers


class Aim(NamedTuple):
    """What a fault may strike; the node is one that has devices."""

    mongo: ReplicaSet
    valkey: Valkey
    node: Node
    numbers: Numbers


Fault = Callable[[Aim], Awaitable[None]]
ELECTED_WITHIN: Final = 60.0
STEPS_DOWN_FOR: Final = 10


async def node_killed(at: Aim) -> None:
    """And replaced at once: its users come back to the same address before the lease of the first is over."""
    at.node.kill()
    await at.node.start_ready()


async def node_lost(at: Aim) -> None:
    """Killed, and replaced only when the others have taken its users over."""
    at.node.kill()
    await asyncio.sleep(1.5 * at.numbers.lease)
    await at.node.start_ready()


async def node_frozen(at: Aim) -> None:
    """Past its lease; then it goes on as if nothing had been."""
    at.node.freeze()
    await asyncio.sleep(2.0 * at.numbers.lease)
    at.node.thaw()


async def redis_restarted(at: Aim) -> None:
    at.valkey.kill()
    await asyncio.sleep(at.numbers.refresh)
    await at.valkey.start_again()


async def redis_forgot(at: Aim) -> None:
    """Restarted without anything it knew."""
    at.valkey.kill()
    shutil.rmtree(at.valkey.directory / "appendonlydir")
    await asyncio.sleep(at.numbers.refresh)
    await at.valkey.start_again()


async def redis_away(at: Aim) -> None:
    """Longer than every lease."""
    at.valkey.kill()
    await asyncio.sleep(2.0 * at.numbers.lease)
    await at.valkey.start_again()


async def subscribers_cut(at: Aim) -> None:
    async with Redis.from_url(at.valkey.url) as redis:
        await redis.client_kill_filter(_type="pubsub")


async def primary_killed(at: Aim) -> None:
    old = await at.mongo.primary()
    old.kill()
    await _elected(at.mongo, old)
    await asyncio.sleep(at.numbers.refresh)
    await old.start_again()
    await at.mongo.all_in_place()


async def primary_stepped_down(at: Aim) -> None:
    old = await at.mongo.primary()
    async with old.connected(admin=True) as admin:
        await admin.admin.command(
            {"replSetStepDown": STEPS_DOWN_FOR, "secondaryCatchUpPeriodSecs": STEPS_DOWN_FOR // 2, "force": True}
        )
    await at.mongo.primary(ELECTED_WITHIN)


FAULTS: Final[Mapping[str, Fault]] = {
    "node killed, replaced at once": node_killed,
    "node frozen past its lease": node_frozen,
    "Redis restarted": redis_restarted,
    "Redis restarted without its data": redis_forgot,
    "all subscribers cut off": subscribers_cut,
    "primary killed": primary_killed,
    "primary stepped down": primary_stepped_down,
    "node lost, replaced later": node_lost,
    "Redis away for two leases": redis_away,
}


async def _elected(mongo: ReplicaSet, old: Mongod) -> None:
    """Another member takes writes."""
    others = [member for member in mongo.members if member is not old]
    async with asyncio.timeout(ELECTED_WITHIN):
        while not any([await member.is_primary() for member in others]):  # noqa: ASYNC110 - other processes decide
            await asyncio.sleep(0.05)
