"""Two nodes that both believe they own every address, under load, and what their logs must show at the end."""

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from typing import Any

import msgspec

from actors.journal.journal import Happened, Outside
from actors.journal.journaled import Accepted, Order
from actors.journal.outside import Document, OutcomeUnknown, Row
from actors.runtime.envelope import Refused
from actors.runtime.system import System
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.mongo.log import MongoLog
from storage.mongo.projections import MongoProjections
from storage.mongo.schema import prepare
from storage.sealing import Sealing
from tests.alone import Everywhere, WallClock
from tests.model.bank import CODEC, Add, Chain, Counter, follow
from tests.storage.mongo.conftest import KEKS

ADDRESSES = [f"session:{number}" for number in range(48)]
CLIENTS = 96
PATIENCE = 60.0  # seconds in which, when all is well again, every command must be accepted


class Count(msgspec.Struct, frozen=True):
    count: int
    link: str


class Tally(Counter):
    """The model's counter, with a row that shows its state."""

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        return [Row("goals", self.address, self.seq, Count(self.state.count, self.state.link))]


class CountingLog(MongoLog):
    """The log, counting what it could not say."""

    unknown = 0

    async def insert(self, document: Document) -> bool:
        try:
            return await super().insert(document)
        except OutcomeUnknown:
            self.unknown += 1
            raise


class Fleet:
    """Two nodes on one database, and clients that ask again with the same cid until they are told."""

    def __init__(
        self, systems: Sequence[System], logs: Sequence[CountingLog], db: Database, reports: list[str]
    ) -> None:
        self.systems = systems
        self.logs = logs
        self.db = db
        self.reports = reports
        self.accepted: dict[str, dict[str, Accepted]] = defaultdict(dict)
        self._random = random.Random(4711)
        self._over = asyncio.Event()

    @property
    def unknown(self) -> int:
        """How many inserts had an outcome nobody knew."""
        return sum(log.unknown for log in self.logs)

    @property
    def acknowledged(self) -> int:
        return sum(len(found) for found in self.accepted.values())

    async def progress(self, commands: int, within: float = 90.0) -> None:
        """Returns when so many more commands were accepted."""
        wanted = self.acknowledged + commands
        async with asyncio.timeout(within):
            while self.acknowledged < wanted:  # noqa: ASYNC110 - many clients, no single event
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """While this is open clients send; when it closes each waits until its last command is accepted."""
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._client(number), name=f"client {number}")
            yield
            self._over.set()

    async def _client(self, number: int) -> None:
        address = ADDRESSES[number % len(ADDRESSES)]
        while not self._over.is_set():
            cid, times = str(uuid.uuid4()), self._random.choice((1, 1, 3))
            self.accepted[address][cid] = await self._until_accepted(address, Order("ann", cid, Add(times)))

    async def _until_accepted(self, address: str, order: Order) -> Accepted:
        loop = asyncio.get_running_loop()
        home = ADDRESSES.index(address) % 2
        deadline: float | None = None
        while True:
            node = self.systems[home if self._random.random() > 0.1 else 1 - home]
            try:
                accepted: Accepted = await node.ref(address).ask(order, timeout=self._random.choice((0.5, 3.0, 10.0)))
            except Refused:
                if self._over.is_set():
                    deadline = deadline or loop.time() + PATIENCE
                    assert loop.time() < deadline, "never accepted, though all is well again"
                await asyncio.sleep(0.05)
            else:
                return accepted


@asynccontextmanager
async def fleet(url: str, database: str) -> AsyncIterator[Fleet]:
    reports: list[str] = []
    async with AsyncExitStack() as stack:
        systems, logs = [], []
        for _ in range(2):
            db = await stack.enter_async_context(connected(url, database=database))
            await prepare(db)
            log, system = await _node(stack, db, reports)
            logs.append(log)
            systems.append(system)
        yield Fleet(systems, logs, db, reports)


async def _node(stack: AsyncExitStack, db: Database, reports: list[str]) -> tuple[CountingLog, System]:
    def report(event: str, fields: Mapping[str, Any]) -> None:
        reports.append(f"{event} {dict(fields)!r}")

    sealing = Sealing(MongoKeys(db), KEKS)
    log = await stack.enter_async_context(CountingLog(db, sealing, report=report))
    projections = await stack.enter_async_context(MongoProjections(db, sealing, report=report))
    placement = Everywhere()
    outside = Outside(
        log, projections, placement, WallClock(), CODEC, lambda raw: blake2b(raw).digest(), report, snapshot_every=50
    )
    system = System(lambda address: Tally(address, outside), placement=placement, report=report)
    return log, await stack.enter_async_context(system)


async def check(fleet: Fleet) -> int:
    """What every history must show at its end; answers how many commands it has."""
    assert not [report for report in fleet.reports if "crashed" in report or "gap" in report], fleet.reports
    total = 0
    for address in ADDRESSES:
        total += await _check_log(fleet, address)
    return total


async def _check_log(fleet: Fleet, address: str) -> int:
    documents = await fleet.logs[0].read(address, 0, 100_000)
    position, chain = 1, Chain()
    for document in documents:
        assert document.s == position, f"{address}: positions do not join at {position}"
        position += document.n
        events = CODEC.events(document.body)
        assert len(events) == document.n, "half a command"
        for event in events:
            assert event.on == chain.link, f"{address}: {document.s} was decided on a state that never was"
            chain = follow(chain, event)
    placed = {document.cid: document for document in documents}
    assert len(placed) == len(documents), f"{address}: a cid had two effects"
    _check_accepted(fleet.accepted[address], placed)
    return len(documents)


def _check_accepted(accepted: Mapping[str, Accepted], placed: Mapping[str, Document]) -> None:
    """Every command that was sent is there once (clients asked until they were told), as it was acknowledged."""
    assert set(accepted) == set(placed), "acknowledged and lost, or there and never acknowledged"
    for cid, answer in accepted.items():
        assert answer.answer == CODEC.answer(placed[cid].body), "another answer than the log has"
        assert answer.repeated or answer.seq == placed[cid].last
