"""Limits that all nodes count together: one key per limit and subject in Redis, one script to take from it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from actors.ports import Standing, Take
from actors.runtime.outside import Report
from storage.redis.batch import Batch, batched
from storage.redis.shards import Shards
from storage.sealing import normal

# The generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling), by the clock of Redis, which all nodes
# share. The key holds the time in ms at which the next one would be due; it is gone when nothing is used up.
# ARGV: ms between two, ms that may be used up at once beyond one, how many to take (-1 gives one back).
# Answers the ms to wait (0: taken) and the ms until all are back.
TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = due - now - ARGV[2]
if tonumber(ARGV[3]) > 0 and wait > 0.001 then return {math.ceil(wait), math.ceil(due - now)} end
due = due + ARGV[1] * ARGV[3]
if due <= now then redis.call('DEL', KEYS[1]) return {0, 0} end
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now))
return {0, math.ceil(due - now)}
"""
REMEMBERED: Final = 90 * 24 * 3600
TIME_LIMIT: Final = 0.25  # seconds: whoever signs in waits for it, and there is another way


class RedisCounters:
    """`actors.ports.Counters`. `digest` hides subjects, such as mail addresses, from whoever reads Redis."""

    def __init__(self, batch: Batch, digest: Callable[[bytes], bytes]) -> None:
        self._batch = batch
        self._digest = digest

    async def take(self, takes: Sequence[Take]) -> Sequence[Standing]:
        # Each key has a call of its own, so that they may live on different nodes of a cluster.
        answers = await asyncio.gather(*(self._run(take, 1) for take in takes))
        return [
            Standing(take.limit, wait / 1000, reset / 1000) for take, (wait, reset) in zip(takes, answers, strict=True)
        ]

    async def give_back(self, take: Take) -> None:
        await self._run(take, -1)

    async def remember(self, subject: str) -> None:
        key = self._key("known", subject)
        await self._batch.call(key, lambda redis: redis.set(key, b"", ex=REMEMBERED))

    async def remembers(self, subject: str) -> bool:
        key = self._key("known", subject)
        return bool(await self._batch.call(key, lambda redis: redis.exists(key)))

    async def _run(self, take: Take, count: int) -> Any:
        interval, burst = take.limit.interval * 1000, take.limit.burst
        arguments = (interval, interval * (burst - 1), count)
        key = self._key(f"limit:{take.limit.name}", take.subject)
        return await self._batch.call(key, lambda redis: redis.eval(TAKE, 1, key, *arguments))

    def _key(self, kind: str, subject: str) -> str:
        return f"{kind}:{self._digest(normal(subject).encode()).hex()}"


@asynccontextmanager
async def counters(
    shards: Shards, digest: Callable[[bytes], bytes], report: Report, *, time_limit: float = TIME_LIMIT
) -> AsyncIterator[RedisCounters]:
    async with batched(shards, report, time_limit=time_limit) as batch:
        yield RedisCounters(batch, digest)
