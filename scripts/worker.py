"""A worker: takes jobs from the queue and does them until SIGTERM. As many may run as there is work for; settings are variables."""

import asyncio
import signal
import sys
from functools import partial
from typing import Any

import uvloop
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from actors.domain.addresses import session_address
from actors.domain.jobs import JobKind
from actors.events import TYPES, UPCASTS
from actors.jobs.export import Exporter
from actors.jobs.worker import Limits, Work, Worker
from actors.runtime.codec import Codec
from actors.runtime.envelope import Envelope
from actors.runtime.journal import Outside
from config.logs import configure_logs
from config.settings import Settings, SettingsError, read_settings
from server import SAY, WallClock, open_storage, report
from storage.mongo.connect import NotAReplicaSet
from storage.mongo.schema import TooNew
from storage.opened import Storage
from transport.mesh.redis import RedisMesh, mesh

HANDS_SECONDS = 10.0
"""What those in hand have when the worker is told to stop; others do what is left."""


async def run(settings: Settings) -> None:
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
        worker = Worker(storage.job_rows, works, told, WallClock(), report, limits)
        SAY("ready worker")
        await storage.queue.take(worker.do, settings.jobs_together, stop, HANDS_SECONDS)


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
    exporter = Exporter(outside, storage.logins, storage.exports)
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
        configure_logs(settings, node=None)
        uvloop.run(run(settings))
    except (SettingsError, NotAReplicaSet, TooNew, OSError) as problem:
        print(f"can't start: {problem or type(problem).__name__}", file=sys.stderr)
        return 1
    except (PyMongoError, RedisError) as problem:  # without its text: it holds addresses and users
        print(f"can't start: a server does not answer as it should ({type(problem).__name__})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
