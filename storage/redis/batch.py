"""Commands of many callers in one round trip: what gathers while one is under way goes out with the next."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.connect import TIME_LIMIT, UNREACHABLE

MAX_WAITING = 20_000  # calls; beyond, a call is refused as overloaded
MAX_TOGETHER = 1_000  # commands in one round trip

Queue = Callable[[Pipeline], Any]
"""Puts exactly one command into the pipeline."""

_Call = tuple[Queue, asyncio.Future[Any]]


class Batch:
    """Calls go out in the order they were made. A command must be harmless when it is sent twice."""

    def __init__(self, redis: Redis, report: Report, time_limit: float) -> None:
        self._redis = redis
        self._report = report
        self._time_limit = time_limit
        self._waiting: deque[_Call] = deque()
        self._called = asyncio.Event()
        self._open = True
        self._failing = False

    async def call(self, queue: Queue) -> Any:
        """The answer to that one command. Raises Unavailable, or Overloaded when too many wait already."""
        if not self._open:
            raise Unavailable
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(retry_after_ms=1000)
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((queue, answer))
        self._called.set()
        return await answer

    async def run(self) -> None:
        try:
            while True:
                await self._called.wait()
                self._called.clear()
                while self._waiting:
                    together = min(len(self._waiting), MAX_TOGETHER)
                    await self._send([self._waiting.popleft() for _ in range(together)])
        finally:
            self._open = False
            _settle(self._waiting, [ConnectionError("closed")] * len(self._waiting))

    async def _send(self, calls: Sequence[_Call]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for queue, _ in calls:
            queue(pipeline)
        answers: Sequence[Any] = [ConnectionError("cut short")] * len(calls)
        try:
            async with asyncio.timeout(self._time_limit):
                answers = await pipeline.execute(raise_on_error=False)
        except UNREACHABLE as problem:
            answers = [problem] * len(calls)
        finally:
            problems = {type(answer).__name__ for answer in answers if isinstance(answer, Exception)}
            if problems and not self._failing:  # the first of a row: while Redis is away there may be thousands
                self._report("redis.call_failed", {"errors": sorted(problems), "calls": len(calls)})
            self._failing = bool(problems)
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
async def batched(redis: Redis, report: Report, *, time_limit: float = TIME_LIMIT) -> AsyncIterator[Batch]:
    batch = Batch(redis, report, time_limit)
    async with owned(batch.run(), "redis.batch", report):
        yield batch
