"""Composition root: settings → resources on an AsyncExitStack → the node runs → SIGTERM drains."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from actors import clock
from actors.attendance import Attendance
from actors.directory import Directory
from actors.domain.exports import EVERY
from actors.domain.rate_limit import CHAT_SEND, OFFERS, REPLIES
from actors.events import TYPES, UPCASTS
from actors.journal.codec import Codec
from actors.journal.journal import Outside
from actors.questions import ModelCame
from actors.runtime.envelope import Refused
from actors.runtime.owned import owned
from actors.runtime.system import Limits, System
from actors.session.actor import Session
from actors.session.budget import budget
from actors.session.standings import kept
from actors.session.surroundings import Prompts, Surroundings
from actors.voice.messages import Around
from config.keys import read_signing_keys, read_wrapping_keys
from config.logs import configure_logs
from config.settings import Settings, SettingsError, read_settings, variable
from storage.mongo.connect import NotAReplicaSet
from storage.mongo.lanes import at_rest
from storage.mongo.schema import TooNew
from storage.opened import Storage, opened
from storage.redis.membership import bury
from storage.where import where as read_where
from transport.calls import Calls
from transport.calls import opened as calls_opened
from transport.draining import Stage, drain
from transport.fleet import join, leave
from transport.mesh.redis import RedisMesh
from transport.mesh.redis import mesh as meshed
from transport.opened import Behind, Open
from transport.opened import opened as doors
from transport.passwords import read_words
from transport.presence import Presences
from transport.providers.opened import Models
from transport.providers.opened import opened as models_opened
from transport.rest.gauges import Reading
from transport.slot import ArgumentError, Slot, read_arguments, tie
from transport.sockets.outbox import LocalOutbox
from transport.supervisor import OVERSTAY, NotStartedError, Plan, supervise
from transport.tracing import NotInstalledError, Traces
from transport.tracing import opened as traces_opened

CONFIG = Path(__file__).parent / "config"
CHILDREN_SECONDS = 8.0
SOCKETS_SECONDS = 3.0
LOOK = 0.5
"""Seconds between two looks whether the nodes that sessions were known to live at still do."""
# The collector walks live sessions; what is there at the start is not looked at again, the rest more seldom.
GC_THRESHOLDS = (100_000, 50, 100)

RECOVERIES = frozenset({"store.recovered", "redis.reachable", "mesh.reachable", "placement.swept", "traces.sent"})
"""Reports of what is well again."""

SAY = partial(print, flush=True)  # to whoever started the server

log = structlog.get_logger("server")


class WallClock:
    """`actors.journal.outside.Timers` as the machine tells it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Inside:
    """What decides, running."""

    system: System
    directory: Directory
    outbox: LocalOutbox
    models: Models
    calls: Calls
    mesh: RedisMesh
    traces: Traces


def report(event: str, fields: dict[str, Any]) -> None:
    """`actors.runtime.outside.Report`: what is wrong goes to the log, where alerts look for the event's name."""
    (log.info if event in RECOVERIES else log.error)(event, **fields)


def open_storage(settings: Settings, node: str | None = None) -> AbstractAsyncContextManager[Storage]:
    """What remembers. Raises SettingsError; entering it, whatever keeps a server from answering."""
    where = read_where(settings, read_wrapping_keys(settings), node)
    if where is None:
        raise SettingsError("LIFEBUDDY_MONGO_URL and LIFEBUDDY_REDIS_URL: are not set; scripts/run starts both")
    return opened(where, report)


@asynccontextmanager
async def run_inside(settings: Settings, storage: Storage) -> AsyncIterator[Inside]:
    """The actors of this node, and the clock that wakes who owes something."""
    timers, node, every = WallClock(), storage.membership.node, settings.membership_refresh_seconds
    outside = Outside(
        storage.log,
        storage.projections,
        storage.placement,
        timers,
        Codec(TYPES, UPCASTS),
        storage.secrets.digest,
        report,
        snapshot_every=settings.snapshot_every,
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        traces = await enter(traces_opened(settings, node, report))
        models = await enter(models_opened(settings))
        calls = await enter(calls_opened(settings, models.speech, report, traces))
        mesh = await enter(meshed(storage.redis, node, storage.secrets.mesh_key, report, traces))
        outbox = LocalOutbox(node, mesh.hint)
        around = _surroundings(settings, storage, outbox, models, calls.around)
        system = System(
            lambda address: Session(address, outside, around),
            placement=storage.placement,
            report=report,
            limits=Limits(mailbox=settings.mailbox_bound, idle=settings.idle_seconds),
        )
        directory = Directory(system, mesh, node)
        directory.attend = Attendance(system, around.standings).take
        join(mesh, directory, outbox)
        storage.placement.on_lost, storage.placement.on_swept = system.lost, outbox.renew_all
        system.undelivered = directory.undelivered
        lease, again = settings.device_lease_seconds, timedelta(seconds=settings.last_seen_seconds)
        await enter(kept(around.standings, storage.presence, report, every=lease, again=again))
        await enter(system)
        waking = clock.run(system, storage.heads, timers, report, elsewhere=storage.placement.elsewhere)
        await enter(owned(waking, "clock", report))
        await enter(owned(directory.watch(storage.placement, min(every, LOOK)), "directory.watch", report))
        if models.arrival is not None:
            watching = models.arrival.watch(outbox.signal_all, partial(_model_came, outbox, directory))
            await enter(owned(watching, "models.watch", report))
        yield Inside(system, directory, outbox, models, calls, mesh, traces)


def open_doors(
    settings: Settings, storage: Storage, inside: Inside, errors: Mapping[str, int], slot: Slot | None = None
) -> AbstractAsyncContextManager[Open]:
    """REST and sockets on one port. Raises SettingsError."""
    behind = Behind(
        sessions=inside.directory,
        outbox=inside.outbox,
        accounts=storage.accounts,
        logins=storage.logins,
        counters=storage.counters,
        roles=storage.roles,
        factors=storage.factors,
        passkeys=storage.passkeys,
        api_keys=storage.api_keys,
        mails=storage.mails,
        proofs=storage.proofs,
        mail_templates=CONFIG / "mails",
        goals=storage.goals,
        messages=storage.messages,
        presences=Presences(
            inside.directory, storage.placement, storage.presence, WallClock(), settings.device_lease_seconds
        ),
        exports=storage.exports,
        timers=WallClock(),
        node=storage.membership.node,
        signing_keys=partial(read_signing_keys, settings),
        common_words=read_words((CONFIG / "common_passwords.txt").read_text()),
        checks=storage.checks | inside.models.checks,
        readings=_readings(storage, inside),
        waiting=lambda: inside.system.waiting,
        details=inside.models.details,
        calls=inside.calls,
        traces=inside.traces,
        report=report,
        say=SAY,
        errors=errors,
        slot=slot,
        neighbours_key=storage.secrets.digest(b"neighbours"),
    )
    return doors(settings, behind)


async def run(settings: Settings, slot: Slot | None, errors: Mapping[str, int]) -> None:
    """A node from its first connection to its last."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        open_storage(settings, slot.node if slot else None) as storage,
        run_inside(settings, storage) as inside,
        open_doors(settings, storage, inside, errors, slot) as doors_open,
    ):
        _calm_the_collector()
        SAY(f"ready {settings.url}")
        await inside.models.warm()
        _calm_the_collector()
        await stop.wait()
        await drain(_stages(storage, inside, doors_open), settings.drain_seconds, report)


def _stages(storage: Storage, inside: Inside, doors_open: Open) -> Sequence[Stage]:
    """Others are told first; then actors end, and what they still owe goes on elsewhere; the sockets go last."""
    lanes, gateway, placement = storage.lanes, doors_open.gateway, storage.placement
    closing = partial(gateway.close_all, "draining", over=SOCKETS_SECONDS)
    return (
        Stage("lease", 2.0, partial(leave, storage.membership, inside.directory, inside.outbox)),
        Stage("doors", 1.0, doors_open.let_nobody_in),
        Stage("actors", CHILDREN_SECONDS + 2.0, partial(inside.system.drain, CHILDREN_SECONDS)),
        Stage("writes", 5.0, partial(at_rest, lanes), lambda: [lane.name for lane in lanes if not lane.at_rest]),
        Stage("placements", 2.0, placement.release_all, lambda: sorted(placement.held)),
        Stage("sockets", SOCKETS_SECONDS + 2.0, closing, lambda: gateway.connected),
    )


def _surroundings(
    settings: Settings, storage: Storage, outbox: LocalOutbox, models: Models, calls: Callable[[], Around] | None
) -> Surroundings:
    coach, summary = ((CONFIG / "prompts" / name).read_text() for name in ("coach.md", "summary.md"))
    return Surroundings(
        outbox,
        models.chain,
        Prompts(coach, summary, budget(settings.context_budget, coach)),
        storage.log_id,
        CHAT_SEND.scaled(settings.limits_scale),
        REPLIES.scaled(settings.limits_scale),
        daily_tokens=settings.daily_tokens,
        actions_wait=timedelta(hours=settings.actions_wait_hours),
        model_missing=models.missing,
        calls=calls,
        reads_ahead=settings.model_reads_ahead,
        offer_limit=OFFERS.scaled(settings.limits_scale),
        jobs=storage.jobs,
        jobs_again=settings.jobs_lease_seconds,
        exports_every=EVERY / settings.limits_scale,
        device_lease=settings.device_lease_seconds,
    )


def _model_came(outbox: LocalOutbox, directory: Directory) -> None:
    """Whoever has a device here is told; all others look when they wake."""
    for user_id in outbox.users:
        with contextlib.suppress(Refused):
            directory.session(user_id).tell(ModelCame())


def _readings(storage: Storage, inside: Inside) -> Sequence[Reading]:
    """What /metrics says of the inside: how much is awake, and how much waits where."""
    return (
        Reading("actors_awake", "Actors in memory", partial(len, inside.system)),
        Reading("mesh_sent", "Asks, answers and hints sent to nodes", lambda: inside.mesh.sent),
        Reading("mesh_dropped", "Frames not taken: forged, truncated, …", inside.mesh.dropped.total),
        Reading("jobs_dead", "Jobs that failed every time", lambda: storage.job_rows.dead),
        Reading("messages_waiting", "Messages in mailboxes", lambda: inside.system.waiting),
        *(
            Reading("model_breaker", "0 closed, 1 half open, 2 open", level, part)
            for part, level in inside.models.levels.items()
        ),
        *(
            Reading("writes_waiting", "Writes for the next flush", partial(len, lane), lane.name)
            for lane in storage.lanes
        ),
    )


def _calm_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _plan(settings: Settings, nodes: int, errors: Mapping[str, int]) -> Plan:
    """Several nodes behind the port; what they share is made before the first of them starts."""
    read_wrapping_keys(settings), read_signing_keys(settings)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    return Plan(
        host=settings.host,
        port=settings.port,
        nodes=nodes,
        command=(sys.executable, __file__),
        variables=lambda port: {variable("port"): str(port)},
        drain=settings.drain_seconds,
        bury=partial(bury, redis_url, report=report),
        say=SAY,
        errors=errors,
    )


def main() -> int:
    """Exit code 0 after a drain, 1 with one line that says what is wrong."""
    try:
        nodes, slot = read_arguments(sys.argv[1:])
        settings = read_settings()
        errors = configure_logs(settings, node=slot.node if slot else None)
        if slot is not None:
            tie(slot, settings.drain_seconds + OVERSTAY)
        uvloop.run(run(settings, slot, errors) if nodes == 1 else supervise(_plan(settings, nodes, errors)))
    except (
        SettingsError,
        ArgumentError,
        NotStartedError,
        NotInstalledError,
        NotAReplicaSet,
        TooNew,
        OSError,
    ) as problem:
        print(f"can't start: {problem or type(problem).__name__}", file=sys.stderr)
        return 1
    except (PyMongoError, RedisError) as problem:  # without its text: it holds addresses and users
        who = "MongoDB" if isinstance(problem, PyMongoError) else "Redis"
        print(f"can't start: {who} does not answer as it should ({type(problem).__name__})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
