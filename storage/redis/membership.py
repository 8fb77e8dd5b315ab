"""That this node lives: a key of its own in Redis that lapses unless refreshed, and the lease the node reads off it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from actors.runtime.envelope import Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.connect import UNREACHABLE, connected

TTL = 10.0  # seconds
EVERY = 3.0  # seconds between refreshes

# Counts the time a machine sleeps; systems without it count that in their monotonic clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    return time.clock_gettime(_CLOCK)


NODES = "nodes"
"""The set of all that have joined; who is dead stands there until somebody reads it."""


def node_key(node: str) -> str:
    return f"node:{node}"


class Lease:
    """Valid for `ttl` from *sending* the last refresh that succeeded, so it ends here before it ends in Redis."""

    def __init__(self, ttl: float, clock: Callable[[], float] = since_boot) -> None:
        self.ttl = ttl
        self._clock = clock
        self._ends = clock()

    def renew(self, sent: float) -> None:
        self._ends = max(self._ends, sent + self.ttl)

    def valid(self) -> bool:
        return self._clock() < self._ends


class Membership:
    """`node` is random and never reused: a node that comes back is another one.

    `lost` is set when Redis turns out to have lost what we wrote, or to have been told that we were dead.
    `reachable` is what the newest refresh found: while it is false nobody has to find out anew, one time limit each.
    """

    def __init__(self, redis: Redis, lease: Lease, every: float, report: Report, node: str) -> None:
        self.node = node
        self.lease = lease
        self.draining = False
        self.lost = asyncio.Event()
        self._redis = redis
        self._every = every
        self._report = report
        self._run_id: object = None
        self.reachable = True
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> bool:
        """Write the key now; whether that succeeded."""
        async with self._refreshing:
            return await self._refresh()

    async def ensure(self) -> None:
        """Raises Unavailable unless the lease is valid, or can be made so now."""
        if self.lease.valid():
            return
        self.check()
        async with self._refreshing:
            if self.lease.valid():
                return
            self.check()
            if not await self._refresh():
                raise Unavailable(retry_after_ms=1000)

    def check(self) -> None:
        """Raises Unavailable at once while Redis is known to be away."""
        if not self.reachable:
            raise Unavailable(retry_after_ms=1000)

    async def drain(self) -> None:
        """Say that this node is leaving: it claims nothing from now on."""
        self.draining = True
        await self.refresh()

    async def others(self) -> list[str]:
        """Who else lives and does not drain; nobody, as far as is known, while Redis is out of reach."""
        try:
            async with asyncio.timeout(self._every):
                states = await self._states()
                dead = [node for node, state in states.items() if state is None]
                if dead:
                    await self._redis.srem(NODES, *dead)
        except UNREACHABLE as problem:
            self._report("membership.not_read", {"error": type(problem).__name__})
            return []
        return [node for node, state in states.items() if state == b"live" and node != self.node]

    async def _states(self) -> dict[str, bytes | None]:
        named: Any = await self._redis.smembers(NODES)  # bytes; redis-py says that they may be text
        nodes = sorted(node.decode() for node in named)
        pipeline = self._redis.pipeline(transaction=False)
        for node in nodes:
            pipeline.get(node_key(node))
        return dict(zip(nodes, await pipeline.execute(), strict=True))

    async def run(self) -> None:
        """Refresh for ever; sooner while Redis is away."""
        while True:
            began = since_boot()
            wait = self._every if await self.refresh() else self._every / 3
            await asyncio.sleep(max(0.0, began + wait - since_boot()))

    async def leave(self) -> None:
        """Gone at once instead of after the lease; out of reach, it lapses by itself."""
        try:
            async with asyncio.timeout(self._every):
                await _gone(self._redis, self.node)
        except UNREACHABLE as problem:
            self._report("membership.not_left", {"error": type(problem).__name__})

    async def _refresh(self) -> bool:
        sent = since_boot()
        state = b"draining" if self.draining else b"live"
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(node_key(self.node), state, px=round(self.lease.ttl * 1000), get=True)
        pipeline.info("server")
        pipeline.sadd(NODES, self.node)
        try:
            async with asyncio.timeout(self._every):
                before, server, _ = await pipeline.execute()
        except UNREACHABLE as problem:
            self._reached(problem)
            return False
        self._reached(None)
        self._compare(before, server["run_id"])
        self.lease.renew(sent)
        return True

    def _compare(self, before: bytes | None, run_id: object) -> None:
        """A restarted or promoted Redis may lack the newest writes even where our key is still there."""
        first, self._run_id, known = self._run_id is None, run_id, self._run_id
        if first or (before is not None and run_id == known):
            return
        self._report("membership.lost", {"lapsed": before is None, "other_redis": run_id != known})
        self.lost.set()

    def _reached(self, problem: Exception | None) -> None:
        reachable = problem is None
        if reachable != self.reachable:
            error = {} if problem is None else {"error": type(problem).__name__}
            self._report("redis.reachable" if reachable else "redis.unreachable", error)
        self.reachable = reachable


@asynccontextmanager
async def member(
    redis: Redis, report: Report, *, ttl: float = TTL, every: float = EVERY, node: str | None = None
) -> AsyncIterator[Membership]:
    """A new member, refreshed until the end. It enters even while Redis is away: its lease is not valid then."""
    membership = Membership(redis, Lease(ttl), every, report, node or secrets.token_hex(8))
    await membership.refresh()
    try:
        async with owned(membership.run(), "membership.refresh", report):
            yield membership
    finally:
        await membership.leave()


async def bury(url: str, node: str, report: Report) -> None:
    """The lease of a node that is known to be dead ends now; out of reach, it lapses by itself."""
    try:
        async with connected(url) as redis:
            await _gone(redis, node)
    except UNREACHABLE as problem:
        report("membership.not_left", {"error": type(problem).__name__})


async def _gone(redis: Redis, node: str) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.delete(node_key(node))
    pipeline.srem(NODES, node)
    await pipeline.execute()
