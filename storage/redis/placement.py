"""Which node an address lives on: one key per address in Redis. It routes only; what is safe, the log makes safe."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Literal

from actors.runtime.envelope import NotHere, Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.batch import Batch, batched
from storage.redis.membership import Membership, node_key
from storage.redis.shards import TIME_LIMIT, Shards

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


class RedisPlacement:
    """The runtime's Placement. `held` is what this node believes to hold, whatever Redis says.

    `on_lost` is told each address that turned out to live elsewhere when it was to be claimed again, `on_swept` when
    that is through.
    """

    def __init__(self, batch: Batch, membership: Membership, report: Report) -> None:
        self.held: set[str] = set()
        self.on_lost: Callable[[str], None] = lambda _: None
        self.on_swept: Callable[[], None] = lambda: None
        self._batch = batch
        self._membership = membership
        self._report = report
        self._me = membership.node.encode()
        self._sweeping = False

    def valid(self) -> bool:
        """Whether what is held can be taken for ours: a comparison, no look-up. Not while Redis is being asked anew."""
        return not self._doubtful and self._membership.lease.valid()

    @property
    def _doubtful(self) -> bool:
        """The lease is valid again, but what was held while it was not may have been taken."""
        return self._sweeping or self._membership.lost.is_set()

    async def claim(self, address: str) -> None:
        """Place the address here. Raises Unavailable while Redis is away, NotHere when another has it or is to."""
        if self._membership.draining:
            raise NotHere
        await self._membership.ensure()
        holder = await self._place(address)
        if holder != self._membership.node:
            holder = await self._take(address, holder)
        if holder != self._membership.node:
            raise NotHere(holder)
        self.held.add(address)

    async def holds(self, address: str) -> bool:
        """Whether this node is the holder now, looked up; what Redis has lost of what is held is claimed again.

        Raises Unavailable when it can't be asked; at once where that is known.
        """
        self._membership.check()
        holder = await (self._place(address) if address in self.held else self.holder(address))
        return holder == self._membership.node

    async def living(self, nodes: Collection[str]) -> set[str]:
        """Those of them that have a key."""
        keys = {node: node_key(node) for node in nodes}
        found = await asyncio.gather(*(self._exists(key) for key in keys.values()))
        return {node for node, there in zip(keys, found, strict=True) if there}

    async def elsewhere(self, addresses: Sequence[str]) -> set[str]:
        """Those of them that another living node holds."""
        holders = dict(zip(addresses, await self.holders(addresses), strict=True))
        living = await self.living(
            {holder for holder in holders.values() if holder and holder != self._membership.node}
        )
        return {address for address, holder in holders.items() if holder in living}

    async def holders(self, addresses: Sequence[str]) -> Sequence[str | None]:
        """Where each was placed last, in one round trip. Raises Unavailable."""
        self._membership.check()
        return await asyncio.gather(*map(self.holder, addresses))

    async def release(self, address: str) -> None:
        """Give it up if it is still ours. Out of reach, it goes on pointing here until this node's lease ends."""
        self.held.discard(address)
        key = place_key(address)
        try:
            await self._batch.call(key, lambda redis: redis.eval(RELEASE, 1, key, self._me))
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
            self._sweeping = True
            await self._sweep()
            self._sweeping = False

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
        self.on_swept()
        self._report("placement.swept", {"claimed": swept - lost, "lost": lost})

    async def _claim_again(self, address: str) -> Literal["kept", "lost", "unknown"]:
        if address not in self.held:  # released meanwhile
            return "kept"
        try:
            holder = await self._place(address)
        except Unavailable:
            return "unknown"
        if holder == self._membership.node:
            return "kept"
        # Not taken back even if it seems dead: its own key may be lost too and not be refreshed yet.
        self.held.discard(address)
        self.on_lost(address)
        return "lost"

    async def _place(self, address: str) -> str:
        """The holder: this node, if the address was free."""
        key = place_key(address)
        before: bytes | None = await self._batch.call(key, lambda redis: redis.set(key, self._me, nx=True, get=True))
        return self._membership.node if before is None else before.decode()

    async def _take(self, address: str, holder: str) -> str:
        """The holder after an attempt to succeed the one that was named."""
        if await self._exists(node_key(holder)):
            return holder
        key = place_key(address)
        now: bytes = await self._batch.call(key, lambda redis: redis.eval(TAKE, 1, key, holder, self._me))
        return now.decode()

    async def holder(self, address: str) -> str | None:
        """The node it was placed at last, living or not."""
        key = place_key(address)
        named: bytes | None = await self._batch.call(key, lambda redis: redis.get(key))
        return None if named is None else named.decode()

    async def _exists(self, key: str) -> bool:
        return bool(await self._batch.call(key, lambda redis: redis.exists(key)))


@asynccontextmanager
async def placement(
    shards: Shards,
    membership: Membership,
    report: Report,
    *,
    time_limit: float = TIME_LIMIT,
) -> AsyncIterator[RedisPlacement]:
    """Enter it inside the membership: what was not released by then lapses with the node."""
    async with batched(shards, report, time_limit=time_limit) as batch:
        placed = RedisPlacement(batch, membership, report)
        async with owned(placed.run(), "placement.sweep", report):
            yield placed
