"""The rules of the log under a hostile world: with all of them nothing breaks, without any one of them it does."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from actors.runtime.envelope import Refused, TimedOut
from actors.runtime.journal import Journal, Outside, Taken
from actors.runtime.journaled import Accepted, Order
from actors.runtime.outside import Document, OutcomeUnknown
from actors.runtime.system import Limits, System
from tests.model.bank import CODEC, Add, Chain, Clock, Counter, follow
from tests.model.world import LyingPlacement, NoRows, Rules, World
from tests.virtual import run_virtually

RUNS = int(os.environ.get("LIFEBUDDY_MODEL_RUNS", "400"))
OWNERS, CLIENTS, COMMANDS = 3, 3, 8
ADDRESS = "counter:1"


class LooseJournal(Journal):
    """Broken: positions need not join."""

    async def documents(self, after: int, *, joining: bool = True) -> AsyncIterator[Document]:
        for document in await self.outside.log.read(self.address, after, 500):
            yield document


class GreedyJournal(Journal):
    """Broken: a duplicate key is taken for one's own earlier attempt."""

    async def _insert(self, document: Document) -> bool:
        await self.outside.log.insert(document)
        return True


class HastyJournal(Journal):
    """Broken: an unknown outcome is looked up once; what is not there is reported as not having happened."""

    async def append(self, document: Document) -> None:
        try:
            if not await self._insert(document):
                raise Taken
        except OutcomeUnknown:
            found = await self.outside.log.at(self.address, document.s)
            if found is None or found.w != document.w:
                raise TimedOut(effect="none") from None


class NoJoin(Counter):
    journal_type = LooseJournal


class AnyDuplicateIsMine(Counter):
    journal_type = GreedyJournal


class SettlesByReadingBack(Counter):
    journal_type = HastyJournal


class GoesOnWithoutFolding(Counter):
    """Broken: after a conflict the holder moves on to the next position without folding in what is there."""

    async def _catch_up(self) -> None:
        self.seq += 1


class Run:
    """One random history: three owners of one address, clients that ask again with the same cid."""

    def __init__(self, seed: int, actor: type[Counter], rules: Rules) -> None:
        self.world = World(seed, rules)
        self.actor = actor
        self.accepted: dict[str, Accepted] = {}
        self.unknown: set[str] = set()
        self.reports: list[str] = []
        self.sent: dict[str, int] = {}

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            systems = [await stack.enter_async_context(self._node()) for _ in range(OWNERS)]
            await asyncio.gather(*(self._client(systems) for _ in range(CLIENTS)))
            self.world.settle()

    def _node(self) -> System:
        world = self.world
        placement = LyingPlacement(world)
        outside = Outside(
            world, NoRows(world), placement, Clock(world.random), CODEC, lambda raw: raw, self._report,
            settle_within=3.0, snapshot_every=5,
        )  # fmt: skip
        return System(
            lambda address: self.actor(address, outside),
            placement=placement,
            report=self._report,
            limits=Limits(idle=2.0),
        )

    def _report(self, event: str, fields: dict[str, Any]) -> None:
        self.reports.append(f"{event} {fields.get('exc_info')!r}")

    async def _client(self, systems: list[System]) -> None:
        random = self.world.random
        for _ in range(COMMANDS):
            cid = str(uuid.UUID(int=random.getrandbits(128), version=4))
            self.sent[cid] = random.choice((1, 1, 2, 3))
            await self._ask(systems, cid)
            if random.random() < 0.2:
                await self._ask(systems, cid)

    async def _ask(self, systems: list[System], cid: str) -> None:
        for _ in range(self.world.random.choice((1, 4, 30))):
            ref = self.world.random.choice(systems).ref(ADDRESS)
            try:
                accepted = await ref.ask(
                    Order("ann", cid, Add(self.sent[cid])), timeout=self.world.random.choice((0.1, 5))
                )
            except Refused as refusal:
                if refusal.effect == "unknown":
                    self.unknown.add(cid)
                await asyncio.sleep(0.05)
            else:
                assert self.accepted.setdefault(cid, accepted).answer == accepted.answer, (
                    "another answer the second time"
                )
                return

    def check(self) -> None:
        """What every history must show at its end."""
        position, chain, cids = 1, Chain(), []
        for document in self.world.documents():
            assert document.s == position, f"positions do not join at {position}"
            position += document.n
            cids.append(document.cid)
            events = CODEC.events(document.body)
            assert len(events) == self.sent[document.cid] == document.n, "half a command"
            for event in events:
                assert event.on == chain.link, "decided on a state that never was"
                chain = follow(chain, event)
        assert len(cids) == len(set(cids)), "a cid had two effects"
        assert set(self.accepted) <= set(cids), "acknowledged and lost"
        nothing = set(self.sent) - self.unknown - set(self.accepted)
        assert not nothing & set(cids), "refused with effect none, but it happened"
        assert not [report for report in self.reports if "crashed" in report], self.reports


def broken(seed: int, actor: type[Counter], rules: Rules) -> str | None:
    run = Run(seed, actor, rules)
    try:
        run_virtually(run.play())
        run.check()
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.timeout(300)
def test_with_every_rule_nothing_breaks() -> None:
    failures = {seed: why for seed in range(RUNS) if (why := broken(seed, Counter, Rules()))}
    assert not failures


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("actor", "rules"),
    [
        pytest.param(Counter, Rules(majority_reads=False), id="reads-see-what-may-be-rolled-back"),
        pytest.param(Counter, Rules(majority_writes=False), id="writes-acknowledged-by-one-member"),
        pytest.param(NoJoin, Rules(), id="positions-need-not-join"),
        pytest.param(AnyDuplicateIsMine, Rules(), id="any-duplicate-is-mine"),
        pytest.param(GoesOnWithoutFolding, Rules(), id="conflict-without-folding"),
        pytest.param(SettlesByReadingBack, Rules(), id="unknown-settled-by-reading-back"),
    ],
)
def test_each_rule_is_needed(actor: type[Counter], rules: Rules) -> None:
    histories = 60
    failures = [why for seed in range(histories) if (why := broken(seed, actor, rules))]
    print(f"{actor.__name__} {rules}: {len(failures)} of {histories} histories break, first: {failures[:1]}")  # noqa: T201 - shown with -s
    assert len(failures) >= histories // 20


def test_the_world_is_hostile_enough_to_mean_something() -> None:
    """A model in which nothing ever goes wrong would prove nothing."""
    run = Run(7, Counter, Rules())
    run_virtually(run.play())
    writers = {document.w.split("/")[0] for document in run.world.documents()}
    assert len(writers) > OWNERS
    assert len(run.world.documents()) > COMMANDS
