"""Composition root: settings → resources on an AsyncExitStack → the node runs → SIGTERM drains."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry
from pymongo.errors import PyMongoError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actors import clock
from actors.directory import Directory
from actors.domain.rate_limit import CHAT_SEND, Limit
from actors.events import TYPES, UPCASTS
from actors.ports import LanguageModel
from actors.runtime.codec import Codec
from actors.runtime.journal import Outside
from actors.runtime.system import Limits, System
from actors.session.actor import Session, Surroundings
from config.keys import read_master_key, read_signing_keys
from config.logs import configure_logs
from config.settings import Settings, SettingsError, read_settings
from storage.mongo import schema
from storage.mongo.accounts import MongoAccounts, MongoLoginSessions
from storage.mongo.connect import Database, NotAReplicaSet
from storage.mongo.connect import connected as mongo_connected
from storage.mongo.goals import MongoGoals
from storage.mongo.heads import MongoHeads
from storage.mongo.keys import MongoKeys
from storage.mongo.log import MongoLog
from storage.mongo.messages import MongoMessages
from storage.mongo.projections import MongoProjections
from storage.redis.connect import connected as redis_connected
from storage.redis.membership import Membership, member
from storage.redis.owned import owned
from storage.redis.placement import RedisPlacement, placement
from storage.sealing import Sealing, Secrets
from transport import tokens as access
from transport.identity import Bearers
from transport.passwords import Passwords
from transport.providers.openai_chat import Deadlines, OpenAIChat
from transport.rest import auth
from transport.rest.app import app
from transport.rest.doors import Doors
from transport.rest.doors import Limits as RequestLimits
from transport.rest.readiness import Check, Readiness
from transport.signin import SignIn
from transport.sockets.doors import SocketDoors
from transport.sockets.gateway import Gateway
from transport.sockets.limits import Limits as SocketLimits
from transport.sockets.outbox import LocalOutbox

HERE = Path(__file__).parent
CHILDREN_SECONDS = 8.0
SOCKETS_SECONDS = 3.0
OPENAI = "https://api.openai.com/v1"
# The collector walks live sessions; what is there at the start is not looked at again, the rest more seldom.
GC_THRESHOLDS = (100_000, 50, 100)

log = structlog.get_logger("server")


class WallClock:
    """`actors.runtime.outside.Timers` as the machine tells it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Storage:
    """What remembers, opened."""

    database: Database
    redis: Redis
    sealing: Sealing
    secrets: Secrets
    log_id: str
    log: MongoLog
    projections: MongoProjections
    membership: Membership
    placement: RedisPlacement


@dataclass(frozen=True, slots=True)
class Inside:
    """What decides, running."""

    system: System
    directory: Directory
    outbox: LocalOutbox
    model: OpenAIChat | None


def report(event: str, fields: dict[str, Any]) -> None:
    """`actors.runtime.outside.Report`: what is wrong goes to the log, where alerts look for the event's name."""
    log.error(event, **fields)


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """MongoDB and Redis, with the lanes, the lease and the placements of this node."""
    if settings.mongo_url is None or settings.redis_url is None:
        raise SettingsError("LIFEBUDDY_MONGO_URL and LIFEBUDDY_REDIS_URL: are not set; scripts/run starts both")
    master = read_master_key(settings)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(mongo_connected(settings.mongo_url.get_secret_value(), database=settings.mongo_database))
        redis = await enter(redis_connected(settings.redis_url.get_secret_value()))
        log_id = await schema.prepare(database)
        sealing = Sealing(MongoKeys(database), {1: master})
        ttl, every = settings.membership_ttl_seconds, settings.membership_refresh_seconds
        membership = await enter(member(redis, report, ttl=ttl, every=every))
        yield Storage(
            database,
            redis,
            sealing,
            Secrets(master),
            log_id,
            await enter(MongoLog(database, sealing, report=report)),
            await enter(MongoProjections(database, sealing, report=report)),
            membership,
            await enter(placement(redis, membership, report)),
        )


@asynccontextmanager
async def run_inside(settings: Settings, storage: Storage) -> AsyncIterator[Inside]:
    """The actors of this node, and the clock that wakes who owes something."""
    timers = WallClock()
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
        model = await stack.enter_async_context(chosen) if (chosen := _model(settings)) is not None else None
        outbox = LocalOutbox()
        around = Surroundings(outbox, _as_port(model), _prompt(), storage.log_id, _chat_limit(settings))
        system = System(
            lambda address: Session(address, outside, around),
            placement=storage.placement,
            report=report,
            limits=Limits(mailbox=settings.mailbox_bound, idle=settings.idle_seconds),
        )
        await stack.enter_async_context(system)
        woken = clock.run(system, MongoHeads(storage.database), timers, report)
        await stack.enter_async_context(owned(woken, "clock", report))
        yield Inside(system, Directory(system), outbox, model)


@asynccontextmanager
async def open_doors(settings: Settings, storage: Storage, inside: Inside) -> AsyncIterator[tuple[Gateway, Readiness]]:
    """REST and sockets on one port; what is entered last is closed first."""
    timers, registry = WallClock(), CollectorRegistry()
    origins = frozenset(settings.allowed_origins)
    tokens = access.Tokens(read_signing_keys(settings), issuer=settings.token_issuer, timers=timers)
    logins = MongoLoginSessions(storage.database, storage.sealing)
    bearers = Bearers(tokens, logins, timers)
    goals = MongoGoals(storage.database, storage.sealing, storage.secrets.digest)
    messages = MongoMessages(storage.database, storage.sealing)
    readiness = Readiness(_checks(storage, inside))
    async with AsyncExitStack() as stack:
        passwords = await stack.enter_async_context(Passwords(words=_common_passwords()))
        signin = SignIn(
            accounts=MongoAccounts(storage.database, storage.sealing, storage.secrets),
            logins=logins,
            sessions=inside.directory,
            tokens=tokens,
            bearers=bearers,
            passwords=passwords,
            timers=timers,
        )
        await stack.enter_async_context(owned(bearers.follow(), "bearers.follow", report))
        reread = access.follow(tokens, partial(read_signing_keys, settings))
        await stack.enter_async_context(owned(reread, "signing-keys.follow", report))
        gateway = await stack.enter_async_context(
            Gateway(
                SocketDoors(
                    sessions=inside.directory,
                    identify=bearers.identify,
                    watch=bearers.watch,
                    messages=messages,
                    outbox=inside.outbox,
                    registry=registry,
                    node=storage.membership.node,
                    origins=origins,
                    limits=SocketLimits(waiting=settings.outbox_bound, ask=settings.ask_seconds),
                )
            )
        )
        application = app(
            Doors(
                sessions=inside.directory,
                identify=bearers.identify,
                goals=goals,
                messages=messages,
                readiness=readiness,
                registry=registry,
                signin=auth.routes(signin),
                origins=origins,
                metrics_from=settings.metrics_allow,
                limits=RequestLimits(ask=settings.ask_seconds),
                now=timers.now,
            )
        )
        gateway.mount(application)
        await stack.enter_async_context(_listening(application, settings))
        yield gateway, readiness


@asynccontextmanager
async def _listening(application: web.Application, settings: Settings) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
        yield
    finally:
        await runner.cleanup()


async def run(settings: Settings) -> None:
    """A node from its first connection to its last."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        open_storage(settings) as storage,
        run_inside(settings, storage) as inside,
        open_doors(settings, storage, inside) as (gateway, readiness),
    ):
        _calm_the_collector()
        print(f"ready http://{settings.host}:{settings.port}", flush=True)
        if inside.model is not None:
            await inside.model.warm()
            _calm_the_collector()
        await stop.wait()
        try:
            async with asyncio.timeout(settings.drain_seconds):
                await _drain(storage, inside, gateway, readiness)
        except TimeoutError:
            log.warning("drain.cut_short", seconds=settings.drain_seconds)


async def _drain(storage: Storage, inside: Inside, gateway: Gateway, readiness: Readiness) -> None:
    """The lease says it first; then actors end, and what they still owe goes on elsewhere; then the sockets."""
    readiness.draining = True
    await storage.membership.drain()
    late = await inside.system.drain(CHILDREN_SECONDS)
    if late:
        log.warning("drain.overstayed", who=late)
    await gateway.close_all("draining", over=SOCKETS_SECONDS)


def _model(settings: Settings) -> OpenAIChat | None:
    """The configured model; none, and the offline coach answers."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return None
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key is not None else "none"
    deadlines = Deadlines(
        settings.model_first_token_seconds, settings.model_between_tokens_seconds, settings.model_whole_seconds
    )
    return OpenAIChat(settings.openai_base_url or OPENAI, key, settings.openai_model, deadlines=deadlines)


def _as_port(model: OpenAIChat | None) -> LanguageModel | None:
    return model


def _prompt() -> str:
    return (HERE / "config" / "prompts" / "coach.md").read_text()


def _common_passwords() -> list[str]:
    return (HERE / "config" / "common_passwords.txt").read_text().splitlines()


def _chat_limit(settings: Settings) -> Limit:
    scale = settings.limits_scale
    return Limit(CHAT_SEND.rate * scale, max(1, round(CHAT_SEND.burst * scale)))


def _checks(storage: Storage, inside: Inside) -> dict[str, Check]:
    async def mongo() -> None:
        storage.log.check()
        await storage.database.command("ping")

    async def redis() -> None:
        await storage.redis.ping()

    checks: dict[str, Check] = {"mongo": mongo, "redis": redis}
    if inside.model is not None:
        checks["models"] = inside.model.check
    return checks


def _calm_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def main() -> int:
    """Exit code 0 after a drain, 1 with one line that says what is wrong."""
    try:
        settings = read_settings()
        configure_logs(settings)
        uvloop.run(run(settings))
    except (SettingsError, NotAReplicaSet, schema.TooNew, OSError, PyMongoError, RedisError) as problem:
        told = str(problem) if isinstance(problem, SettingsError | NotAReplicaSet | schema.TooNew | OSError) else ""
        print(f"can't start: {type(problem).__name__} {told}".rstrip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
