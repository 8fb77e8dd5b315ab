"""The inside of a node on real storage, without doors: what the session tests stand on."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from actors.commands import OpenAccount
from actors.directory import Directory
from actors.domain.actions import WAITS
from actors.domain.addresses import session_address
from actors.domain.rate_limit import Limit
from actors.events import TYPES, UPCASTS, MessageAdded, Recorded
from actors.journal.codec import Codec
from actors.journal.journal import Outside
from actors.journal.journaled import Accepted, Order
from actors.ports import Jobs, LanguageModel
from actors.runtime.ref import Ref
from actors.runtime.system import Limits, System
from actors.session.actor import Session
from actors.session.budget import budget
from actors.session.surroundings import Prompts, Surroundings
from actors.voice.messages import Around
from storage.mongo import schema
from storage.mongo.connect import connected
from storage.mongo.keys import MongoKeys
from storage.mongo.log import MongoLog
from storage.mongo.projections import MongoProjections
from storage.sealing import Sealing, Secrets
from tests.alone import Everywhere, WallClock

MASTER = bytes(range(32))


@dataclass
class Device:
    """All that a user's devices were pushed."""

    events: list[Recorded] = field(default_factory=list)
    signals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, address: str, events: Sequence[Recorded]) -> None:
        self.events += events
        self.heard.set()

    def signal(self, address: str, type: str, data: Mapping[str, Any], *, connection: str | None = None) -> None:  # noqa: A002 - the port's word
        self.signals.append((type, dict(data)))
        self.heard.set()

    def reach(self, address: str, nodes: Collection[str]) -> None: ...

    def end(self, address: str, connection: str) -> None: ...

    def leave(self, address: str) -> None: ...

    async def until(self, found: Any, *, timeout: float = 10.0) -> Any:  # noqa: ASYNC109 - a test's patience
        """The first event or signal that `found` answers True for."""
        async with asyncio.timeout(timeout):
            while True:
                for one in [*self.events, *self.signals]:
                    if found(one):
                        return one
                self.heard.clear()
                await self.heard.wait()

    async def reply(self, reply_id: str) -> MessageAdded:
        """The coach's message, once it is there."""
        one = await self.until(lambda one: isinstance(one, Recorded) and getattr(one.data, "id", None) == reply_id)
        message: MessageAdded = one.data
        return message


@dataclass
class Inside:
    system: System
    device: Device
    log: MongoLog
    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    reports: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def ref(self) -> Ref:
        return Directory(self.system).session(self.user_id)

    async def order(self, command: Any, *, cid: str | None = None) -> Accepted:
        accepted: Accepted = await self.ref.ask(Order(self.user_id, cid or str(uuid.uuid4()), command), timeout=10)
        return accepted

    async def open(self) -> None:
        await self.order(OpenAccount(self.user_id, "ann@example.org", "Ann", "Europe/Berlin", "en"))

    def session(self) -> Session | None:
        """The actor itself, to look at; None while it is not awake."""
        cell = self.system._cells.get(session_address(self.user_id))
        return cell.actor if cell is not None and isinstance(cell.actor, Session) else None


@asynccontextmanager
async def inside(
    url: str,
    database: str,
    model: LanguageModel | None = None,
    *,
    snapshot_every: int = 200,
    idle: float = 60.0,
    actions_wait: timedelta = WAITS,
    reply_limit: Limit = Limit(1000.0, 1000),  # noqa: B008 - frozen
    daily_tokens: int | None = None,
    context_tokens: int = 12_000,
    model_missing: Callable[[], str | None] = lambda: None,
    jobs: Jobs | None = None,
    calls: Around | None = None,
    reads_ahead: bool = False,
) -> AsyncIterator[Inside]:
    """A node's inside on a real MongoDB."""
    reports: list[tuple[str, Any]] = []

    def report(event: str, fields: dict[str, Any]) -> None:
        reports.append((event, fields))

    async with connected(url, database=database) as mongo:
        log_id = await schema.prepare(mongo)
        sealing = Sealing(MongoKeys(mongo), {1: MASTER})
        device = Device()
        async with (
            MongoLog(mongo, sealing, report=report) as log,
            MongoProjections(mongo, sealing, report=report) as rows,
        ):
            outside = Outside(
                log, rows, Everywhere(), WallClock(), Codec(TYPES, UPCASTS), Secrets(MASTER).digest, report,
                snapshot_every=snapshot_every,
            )  # fmt: skip
            around = Surroundings(
                device,
                () if model is None else (model,),
                Prompts("You are a coach.", "Sum up.", budget(context_tokens)),
                log_id,
                Limit(1000.0, 1000),
                actions_wait=actions_wait,
                reply_limit=reply_limit,
                daily_tokens=daily_tokens,
                quiet_seconds=0.05,
                model_missing=model_missing,
                jobs=jobs,
                calls=None if calls is None else lambda: calls,
                reads_ahead=reads_ahead,
                jobs_again=0.1,
            )
            system = System(
                lambda address: Session(address, outside, around),
                placement=Everywhere(),
                report=report,
                limits=Limits(idle=idle),
            )
            async with system:
                yield Inside(system, device, log, reports=reports)
