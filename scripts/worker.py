"""A worker: takes jobs from the queue and does them until SIGTERM. As many may run as there is work for; settings are variables."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, ProcessCollector
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from actors.domain.addresses import session_address
from actors.domain.jobs import JobKind
from actors.events import TYPES, UPCASTS
from actors.jobs.export import Exporter
from actors.jobs.worker import Limits, Work, Worker
from actors.journal.codec import Codec
from actors.journal.journal import Outside
from actors.runtime.envelope import Envelope, Unavailable
from actors.runtime.owned import owned
from config.logs import configure_logs
from config.settings import Settings, SettingsError, read_settings
from server import SAY, WallClock, open_storage, report
from storage.mongo.connect import NotAReplicaSet
from storage.mongo.schema import TooNew
from storage.opened import Storage
from transport.mesh.redis import RedisMesh, mesh
from transport.monitoring import monitored
from transport.rest.gauges import Reading, Tally, show

HANDS_SECONDS = 10.0
"""What those in hand have when the worker is told to stop; others do what is left."""

LOOKS_EVERY = 10.0
"""Seconds between two looks at how long the oldest job waits."""


class Oldest:
    """How long the job waits that has waited longest, whoever is to do it, as it was last looked up."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._since: datetime | None = None

    def seconds(self) -> float:
        return 0.0 if self._since is None else max(0.0, (WallClock().now() - self._since).total_seconds())

    async def watch(self) -> None:
        """For ever. While MongoDB is away it is as old as it was, and grows older."""
        while True:
            with contextlib.suppress(Unavailable):
                self._since = await self._storage.job_rows.oldest()
            await asyncio.sleep(LOOKS_EVERY)


async def run(settings: Settings, errors: Mapping[str, int]) -> None:
    """From the first connection to the last."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        open_storage(settings) as storage,
        mesh(storage.redis, storage.membership.node, storage.secrets.mesh_key, report) as post,
    ):
        await storage.membership.drain()  # it tells nodes things and takes nothing: nobody is to leave a session to it
        limits = Limits(attempts=settings.jobs_attempts, lease=settings.jobs_lease_seconds)
        works, told = works_of(storage), partial(_tell, storage, post)
        worker, oldest = Worker(storage.job_rows, works, told, WallClock(), report, limits), Oldest(storage)
        registry = registry_of(worker, oldest, errors)
        async with (
            owned(oldest.watch(), "jobs.oldest", report),
            monitored(registry, settings.host, settings.jobs_port, settings.metrics_allow) as url,
        ):
            SAY("ready worker" if url is None else f"ready worker {url}")
            await storage.queue.take(worker.do, settings.jobs_together, stop, HANDS_SECONDS)


def registry_of(worker: Worker, oldest: Oldest, errors: Mapping[str, int]) -> CollectorRegistry:
    """What /metrics says of a worker."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Tally("log_errors", "Errors and worse that were logged", "event", errors))
    registry.register(Tally("job_attempts", "Attempts at jobs, by how they ended", "outcome", worker.outcomes))
    readings: Sequence[Reading] = (
        Reading("jobs_in_hand", "Jobs this worker does", lambda: worker.in_hand),
        Reading("jobs_oldest_seconds", "How long the oldest job of all waits", oldest.seconds),
    )
    show(registry, readings)
    return registry


def works_of(storage: Storage) -> dict[JobKind, Work]:
    """Who does which kind of job. Raises SettingsError."""
    if storage.exports is None:
        raise SettingsError("LIFEBUDDY_S3_URL: is not set; a worker keeps files there")
    outside = Outside(
        storage.log,
        storage.projections,
        storage.placement,
        WallClock(),
        Codec(TYPES, UPCASTS),
        storage.secrets.digest,
        report,
    )
    exporter = Exporter(outside, storage.logins, storage.presence, storage.exports)
    return {"export": exporter.make, "export.remove": exporter.remove}


async def _tell(storage: Storage, post: RedisMesh, user_id: str, message: Any) -> None:
    """To where the session lives; one that sleeps is not woken for it. Raises Unavailable, Overloaded."""
    address = session_address(user_id)
    node = await storage.placement.holder(address)
    if node is not None:
        post.send(node, address, Envelope(message))


def main() -> int:
    """Exit code 0 after SIGTERM, 1 with one line that says what is wrong."""
    try:
        settings = read_settings()
        errors = configure_logs(settings, node=None)
        uvloop.run(run(settings, errors))
    except (SettingsError, NotAReplicaSet, TooNew, OSError) as problem:
        print(f"can't start: {problem or type(problem).__name__}", file=sys.stderr)
        return 1
    except (PyMongoError, RedisError) as problem:  # without its text: it holds addresses and users
        print(f"can't start: a server does not answer as it should ({type(problem).__name__})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
