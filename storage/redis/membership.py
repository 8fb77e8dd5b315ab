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
from storage.redis.batch import Batch, batched
from storage.redis.connect import connected
from storage.redis.shards import TIME_LIMIT, UNREACHABLE, Queue, Shards

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

    def __init__(self, shards: Shards, lease: Lease, every: float, report: Report, node: str) -> None:
        self.node = node
        self.lease = lease
        self.draining = False
        self.lost = asyncio.Event()
        self._shards = shards
        self._every = every
        self._report = report
        self._run_ids: dict[Redis, object] = {}
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
            states = await self._states()
            dead = [node for node, state in states.items() if state is None]
            if dead:
                await self._ask(NODES, lambda redis: redis.srem(NODES, *dead))
        except UNREACHABLE as problem:
            self._report("membership.not_read", {"error": type(problem).__name__})
            return []
        return [node for node, state in states.items() if state == b"live" and node != self.node]

    async def _states(self) -> dict[str, bytes | None]:
        """Of all that have joined and whose shard answers."""
        nodes = sorted(node.decode() for node in await self._ask(NODES, lambda redis: redis.smembers(NODES)))
        async with batched(self._shards, self._report, time_limit=self._every) as batch:
            found = await asyncio.gather(*(_state(batch, node) for node in nodes), return_exceptions=True)
        states = zip(nodes, found, strict=True)
        return {node: state for node, state in states if not isinstance(state, BaseException)}

    async def _ask(self, key: str, queue: Queue) -> Any:
        """Raises what Redis does when it is away."""
        (answer,) = await self._shards.execute(self._shards.at(key), [queue], self._every)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self) -> None:
        """Refresh for ever; sooner while Redis is away."""
        while True:
            began = since_boot()
            wait = self._every if await self.refresh() else self._every / 3
            await asyncio.sleep(max(0.0, began + wait - since_boot()))

    async def leave(self) -> None:
        """Gone at once instead of after the lease; out of reach, it lapses by itself."""
        problem = await _gone(self._shards, self.node, self._every)
        if problem is not None:
            self._report("membership.not_left", {"error": type(problem).__name__})

    async def _refresh(self) -> bool:
        sent = since_boot()
        answer, run_ids, _ = await asyncio.gather(self._write(), self._look(), self._join())
        self._reached(answer if isinstance(answer, Exception) else None)
        if isinstance(answer, Exception):
            return False
        self._compare(answer, run_ids)
        self.lease.renew(sent)
        return True

    async def _write(self) -> Any:
        """What stood there before, or why that is not known."""
        key, state = node_key(self.node), b"draining" if self.draining else b"live"
        px = round(self.lease.ttl * 1000)
        (answer,) = await self._shards.execute(
            self._shards.at(key), [lambda redis: redis.set(key, state, px=px, get=True)], self._every
        )
        return answer

    async def _join(self) -> None:
        """Out of reach, it is tried again with the next refresh."""
        await self._shards.execute(self._shards.at(NODES), [lambda redis: redis.sadd(NODES, self.node)], self._every)

    async def _look(self) -> dict[Redis, object]:
        """The run ids of those shards that answer: each start of a server has another."""
        shards, ask = self._shards.all, [lambda redis: redis.info("server")]
        found = await asyncio.gather(*(self._shards.execute(shard, ask, self._every) for shard in shards))
        answers = zip(shards, found, strict=True)
        return {shard: answer["run_id"] for shard, (answer,) in answers if not isinstance(answer, Exception)}

    def _compare(self, before: bytes | None, run_ids: dict[Redis, object]) -> None:
        """A restarted or promoted Redis may lack the newest writes even where our key is still there."""
        known, self._run_ids = self._run_ids, self._run_ids | run_ids
        other = any(known.get(shard) != run_id for shard, run_id in run_ids.items())
        if not known or (before is not None and not other):
            return
        self._report("membership.lost", {"lapsed": before is None, "other_redis": other})
        self.lost.set()

    def _reached(self, problem: Exception | None) -> None:
        reachable = problem is None
        if reachable != self.reachable:
            error = {} if problem is None else {"error": type(problem).__name__}
            self._report("redis.reachable" if reachable else "redis.unreachable", error)
        self.reachable = reachable


@asynccontextmanager
async def member(
    shards: Shards, report: Report, *, ttl: float = TTL, every: float = EVERY, node: str | None = None
) -> AsyncIterator[Membership]:
    """A new member, refreshed until the end. It enters even while Redis is away: its lease is not valid then."""
    membership = Membership(shards, Lease(ttl), every, report, node or secrets.token_hex(8))
    await membership.refresh()
    try:
        async with owned(membership.run(), "membership.refresh", report):
            yield membership
    finally:
        await membership.leave()


async def bury(url: str, node: str, report: Report) -> None:
    """The lease of a node that is known to be dead ends now; out of reach, it lapses by itself."""
    problem: Exception | None
    try:
        async with connected(url, report) as shards:
            problem = await _gone(shards, node, TIME_LIMIT)
    except UNREACHABLE as away:
        problem = away
    if problem is not None:
        report("membership.not_left", {"error": type(problem).__name__})


async def _gone(shards: Shards, node: str, time_limit: float) -> Exception | None:
    """What kept it from that, if anything did."""
    key = node_key(node)
    found = await asyncio.gather(
        shards.execute(shards.at(key), [lambda redis: redis.delete(key)], time_limit),
        shards.execute(shards.at(NODES), [lambda redis: redis.srem(NODES, node)], time_limit),
    )
    return next((answer for (answer,) in found if isinstance(answer, Exception)), None)


async def _state(batch: Batch, node: str) -> bytes | None:
    found: bytes | None = await batch.call(node_key(node), lambda redis: redis.get(node_key(node)))
    return found
