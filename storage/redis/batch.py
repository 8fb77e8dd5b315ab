"""Commands of many callers in one round trip: what gathers while one is under way goes out with the next."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.shards import TIME_LIMIT, Queue, Shards

MAX_WAITING = 20_000  # calls at one shard; beyond, a call is refused as overloaded
MAX_TOGETHER = 1_000  # commands in one round trip

_Call = tuple[Queue, asyncio.Future[Any]]


class Batch:
    """Calls of one key go out in the order they were made. A command must be harmless when it is sent twice.

    Each shard has a round trip of its own: one that hangs holds back nobody at the others.
    """

    def __init__(self, shards: Shards, report: Report, time_limit: float) -> None:
        self._shards = shards
        self._report = report
        self._time_limit = time_limit
        self._waiting: dict[Redis, deque[_Call]] = {}  # those shards to which something is under way
        self._called: deque[Redis] = deque()
        self._wake = asyncio.Event()
        self._open = True
        self._failing: set[Redis] = set()

    async def call(self, key: str, queue: Queue) -> Any:
        """The answer to that one command. Raises Unavailable, or Overloaded when too many wait already."""
        if not self._open:
            raise Unavailable
        shard = self._shards.at(key)
        waiting = self._waiting.get(shard)
        if waiting is None:
            waiting = self._waiting[shard] = deque()
            self._called.append(shard)
            self._wake.set()
        if len(waiting) >= MAX_WAITING:
            raise Overloaded(retry_after_ms=1000)
        answer = asyncio.get_running_loop().create_future()
        waiting.append((queue, answer))
        return await answer

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as sending:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    while self._called:
                        sending.create_task(self._drain(self._called.popleft()), name="redis.batch.shard")
        finally:
            self._open = False
            for waiting in self._waiting.values():
                _settle(waiting, [ConnectionError("closed")] * len(waiting))

    async def _drain(self, shard: Redis) -> None:
        waiting = self._waiting[shard]
        while waiting:
            together = min(len(waiting), MAX_TOGETHER)
            await self._send(shard, [waiting.popleft() for _ in range(together)])
        del self._waiting[shard]

    async def _send(self, shard: Redis, calls: Sequence[_Call]) -> None:
        answers: Sequence[Any] = [ConnectionError("cut short")] * len(calls)
        try:
            answers = await self._shards.execute(shard, [queue for queue, _ in calls], self._time_limit)
        finally:
            problems = {type(answer).__name__ for answer in answers if isinstance(answer, Exception)}
            if (
                problems and shard not in self._failing
            ):  # the first of a row: while Redis is away there may be thousands
                self._report("redis.call_failed", {"errors": sorted(problems), "calls": len(calls)})
            (self._failing.add if problems else self._failing.discard)(shard)
            _settle(calls, answers)


def _settle(calls: Sequence[_Call], answers: Sequence[Any]) -> None:
    for (_, waiting), answer in zip(calls, answers, strict=True):
        if waiting.done():
            continue
        if isinstance(answer, Exception):
            refusal = Unavailable(effect="none", retry_after_ms=1000)
            refusal.__cause__ = answer
            waiting.set_exception(refusal)
        else:
            waiting.set_result(answer)


@asynccontextmanager
async def batched(shards: Shards, report: Report, *, time_limit: float = TIME_LIMIT) -> AsyncIterator[Batch]:
    batch = Batch(shards, report, time_limit)
    async with owned(batch.run(), "redis.batch", report):
        yield batch
