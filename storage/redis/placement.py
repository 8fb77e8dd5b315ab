"""Which node an address lives on: one key per address in Redis. It routes only; what is safe, the log makes safe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Literal

from redis.asyncio import Redis

from actors.runtime.envelope import Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.batch import Batch, batched
from storage.redis.connect import TIME_LIMIT
from storage.redis.membership import Membership, node_key

# Both touch one key, so they run on a cluster; sent again after a broken connection they change nothing more.
TAKE = """
local now = redis.call('GET', KEYS[1])
if now == false or now == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return ARGV[2] end
return now
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

SWEEP_TOGETHER = 500  # addresses
SWEEP_PAUSE = 0.05  # seconds between them, so that those who wait for an answer come through
SWEEP_RETRY = 1.0  # seconds, when Redis went away again


def place_key(address: str) -> str:
    return f"place:{address}"


class PlacedElsewhere(Unavailable):
    """The address lives on another node that lives."""

    def __init__(self, node: str) -> None:
        super().__init__(retry_after_ms=1000)
        self.node = node


class RedisPlacement:
    """The runtime's Placement. `held` is what this node believes to hold, whatever Redis says.

    `on_lost` is told each address that turned out to live elsewhere when it was to be claimed again.
    """

    def __init__(self, batch: Batch, membership: Membership, report: Report) -> None:
        self.held: set[str] = set()
        self.on_lost: Callable[[str], None] = lambda _: None
        self._batch = batch
        self._membership = membership
        self._report = report
        self._me = membership.node.encode()

    def valid(self) -> bool:
        """Whether this node may take itself for alive: a comparison, no look-up."""
        return self._membership.lease.valid()

    async def claim(self, address: str) -> None:
        """Place the address here. Raises Unavailable: Redis away, this node draining, or PlacedElsewhere."""
        if self._membership.draining:
            raise Unavailable(retry_after_ms=1000)
        await self._membership.ensure()
        holder = await self._place(address)
        if holder != self._me:
            holder = await self._take(address, holder)
        if holder != self._me:
            raise PlacedElsewhere(holder.decode())
        self.held.add(address)

    async def holds(self, address: str) -> bool:
        """Whether Redis names this node now. Raises Unavailable when it can't be asked; at once where that is known."""
        self._membership.check()
        named: bytes | None = await self._batch.call(lambda redis: redis.get(place_key(address)))
        return named == self._me

    async def release(self, address: str) -> None:
        """Give it up if it is still ours. Out of reach, it goes on pointing here until this node's lease ends."""
        self.held.discard(address)
        try:
            await self._batch.call(lambda redis: redis.eval(RELEASE, 1, place_key(address), self._me))
        except Unavailable:
            self._report("placement.not_released", {})

    async def release_all(self) -> None:
        """What is still held when a node ends goes on elsewhere; should an actor still write, the log fences it."""
        await asyncio.gather(*map(self.release, list(self.held)))

    async def run(self) -> None:
        """Claim again what is held, each time Redis has lost it."""
        while True:
            await self._membership.lost.wait()
            self._membership.lost.clear()
            await self._sweep()

    async def _sweep(self) -> None:
        remaining = iter(sorted(self.held))
        swept = lost = 0
        while together := list(islice(remaining, SWEEP_TOGETHER)):
            outcomes = await asyncio.gather(*map(self._claim_again, together))
            if "unknown" in outcomes:
                self._membership.lost.set()
                await asyncio.sleep(SWEEP_RETRY)
                return
            swept += len(together)
            lost += outcomes.count("lost")
            await asyncio.sleep(SWEEP_PAUSE)
        self._report("placement.swept", {"claimed": swept - lost, "lost": lost})

    async def _claim_again(self, address: str) -> Literal["kept", "lost", "unknown"]:
        if address not in self.held:  # released meanwhile
            return "kept"
        try:
            holder = await self._place(address)
        except Unavailable:
            return "unknown"
        if holder == self._me:
            return "kept"
        # Not taken back even if it seems dead: its own key may be lost too and not be refreshed yet.
        self.held.discard(address)
        self.on_lost(address)
        return "lost"

    async def _place(self, address: str) -> bytes:
        """The holder: this node, if the address was free."""
        key = place_key(address)
        before: bytes | None = await self._batch.call(lambda redis: redis.set(key, self._me, nx=True, get=True))
        return before or self._me

    async def _take(self, address: str, holder: bytes) -> bytes:
        """The holder after an attempt to succeed the one that was named."""
        if await self._batch.call(lambda redis: redis.exists(node_key(holder.decode()))):
            return holder
        now: bytes = await self._batch.call(lambda redis: redis.eval(TAKE, 1, place_key(address), holder, self._me))
        return now


@asynccontextmanager
async def placement(
    redis: Redis,
    membership: Membership,
    report: Report,
    *,
    time_limit: float = TIME_LIMIT,
) -> AsyncIterator[RedisPlacement]:
    """Enter it inside the membership: what was not released by then lapses with the node."""
    async with batched(redis, report, time_limit=time_limit) as batch:
        placed = RedisPlacement(batch, membership, report)
        async with owned(placed.run(), "placement.sweep", report):
            yield placed
