"""The queue of background work: a Redis stream, of which taskiq makes a broker. It may be lost: who owes a job offers it again.

What taskiq-redis 1.2 does, and is relied on here for no more than that: an entry is acknowledged when its task has
ended. What a dead worker had taken is looked at only when another entry comes, and a broken connection ends the
listener; a stream that was flushed has no group. So jobs are claimed in MongoDB, are offered anew as long as they
are owed, and the listener begins again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from actors.runtime.envelope import Unavailable
from storage.redis.connect import CLUSTER
from storage.redis.shards import TIME_LIMIT, UNREACHABLE

STREAM: Final = "jobs"
TASK: Final = "job"
MOST: Final = 100_000
"""Entries the stream keeps, about; of more the oldest are dropped, and offered again in time."""
BLOCK_MS: Final = 1_000
"""Below the time limit of a connection."""
PAUSE: Final = 0.5
"""Seconds before a listener that broke off begins again."""

log = structlog.get_logger(__name__)


class RedisQueue:
    """One end puts the ids of jobs in, the other takes them out. Loaded when first used: it takes a moment."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loading = asyncio.Lock()
        self._broker: Any = None

    async def put(self, job_id: str) -> None:
        """Raises Unavailable."""
        broker = await self._loaded()
        kicker = import_module("taskiq.kicker").AsyncKicker(TASK, broker, {})
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await kicker.with_task_id(job_id).kiq(job_id)
        except (*UNREACHABLE, import_module("taskiq.exceptions").SendTaskError) as away:
            raise Unavailable(retry_after_ms=1000) from away

    async def take(
        self, do: Callable[[str], Awaitable[None]], together: int, stop: asyncio.Event, patience: float
    ) -> None:
        """So many at once, until `stop`; then those in hand have `patience` seconds."""
        broker = await self._loaded()
        broker.register_task(_task(do), TASK)
        receiver = import_module("taskiq.receiver").Receiver(
            broker, max_async_tasks=together, wait_tasks_timeout=patience
        )
        while not stop.is_set():
            try:
                await receiver.listen(stop)
            except* UNREACHABLE as away:
                log.warning("jobs.cut_off", error=type(away.exceptions[0]).__name__)
                await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        if self._broker is not None:
            with suppress(*UNREACHABLE):
                await self._broker.shutdown()

    async def _loaded(self) -> Any:
        async with self._loading:
            if self._broker is None:
                self._broker = await asyncio.to_thread(_broker, self._url)
        return self._broker


def _broker(url: str) -> Any:
    logging.getLogger("taskiq").setLevel(logging.WARNING)
    import_module("taskiq.receiver")
    settings: dict[str, Any] = {
        "queue_name": STREAM,
        "consumer_group_name": "workers",
        "consumer_id": "0",
        "xread_block": BLOCK_MS,
        "maxlen": MOST,
        "socket_timeout": TIME_LIMIT,
        "socket_connect_timeout": TIME_LIMIT,
    }
    given = urlsplit(url)
    if given.scheme.endswith(CLUSTER):
        who, at, hosts = given.netloc.rpartition("@")
        first = given._replace(scheme=given.scheme.removesuffix(CLUSTER), netloc=who + at + hosts.split(",")[0])
        return import_module("taskiq_redis").RedisStreamClusterBroker(first.geturl(), **settings)
    return import_module("taskiq_redis").RedisStreamBroker(
        url, xread_count=1, unacknowledged_batch_size=1, unacknowledged_lock_timeout=TIME_LIMIT, **settings
    )


def _task(do: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """A function of its own, as taskiq wants one; its argument is checked by what it stands for."""

    async def job(job_id: str) -> None:
        await do(job_id)

    return job
