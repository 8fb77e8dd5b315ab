"""The rules of the log under a hostile world: with all of them nothing breaks, without any one of them it does."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from actors.journal import cids
from actors.journal.journal import PAGE, Happened, Journal, Outside, Page, Taken, Unsettled
from actors.journal.journaled import Accepted, Order
from actors.journal.outside import Document, OutcomeUnknown
from actors.runtime.envelope import CidConflict, Refused, TimedOut
from actors.runtime.system import Limits, System
from tests.model.bank import CODEC, Add, Chain, Clock, Counter, follow
from tests.model.world import Heads, LyingPlacement, Rules, World
from tests.virtual import run_virtually

RUNS = int(os.environ.get("LIFEBUDDY_MODEL_RUNS", "400"))
OWNERS, CLIENTS, COMMANDS = 3, 3, 8
NARROW = 5
YEAR = 365 * 24 * 3600 * 1000
ADDRESS = "counter:1"


class LooseJournal(Journal):
    """Broken: positions need not join."""

    async def page(self, begins: int, after: int | None = None, limit: int = PAGE) -> Page:
        return await self.outside.log.read(self.address, begins - 1 if after is None else after, limit), False


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


class ForgetsOldCids(Counter):
    """Broken: a cid that is not among the last ones is taken for a new one."""

    async def _known(self, order: Order, digest: bytes) -> Accepted | None:
        return await super()._known(order, digest) if self._cids.find(order.by, order.cid) is not None else None


class AcceptsWithoutRows(Counter):
    """Broken: the answer does not wait for the head, which alone says what is owed should the node die now."""

    async def _follow(self, happened: Sequence[Happened]) -> None:
        with suppress(Unsettled):
            await super()._follow(happened)


class Run:
    """One random history: three owners of one address, clients that ask again with the same cid."""

    def __init__(self, seed: int, actor: type[Counter], rules: Rules, commands: int = COMMANDS) -> None:
        self.world = World(seed, rules)
        self.actor = actor
        self.commands = commands
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
            world, Heads(world), placement, Clock(world.random), CODEC, lambda raw: raw, self._report,
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
        for _ in range(self.commands):
            cid = self._new_cid()
            self.sent[cid] = random.choice((1, 1, 2, 3))
            await self._ask(systems, cid)
            if random.random() < 0.2:
                await self._ask(systems, cid)
            if random.random() < 0.3:
                await self._ask(systems, random.choice(list(self.sent)))
            if self.accepted and random.random() < 0.1:
                await self._ask_something_else(systems, random.choice(list(self.accepted)))

    def _new_cid(self) -> str:
        """As apps make them: v4, or v7 by a clock that is right, a little wrong, or a year ahead."""
        random = self.world.random
        made = 1_767_225_600_000 + random.choice((0, 0, random.randrange(-60_000, 60_000), YEAR))
        version = random.choice((4, 7, 7, 7))
        fixed = version << 76 | 2 << 62
        return str(uuid.UUID(int=made << 80 | random.getrandbits(12) << 64 | random.getrandbits(62) | fixed))

    async def _ask_something_else(self, systems: list[System], cid: str) -> None:
        ref = self.world.random.choice(systems).ref(ADDRESS)
        with suppress(Refused):
            await ref.ask(Order("ann", cid, Add(9)), timeout=5)
            raise AssertionError("a used cid was accepted for something else")

    async def _ask(self, systems: list[System], cid: str) -> None:
        for _ in range(self.world.random.choice((1, 4, 30))):
            ref = self.world.random.choice(systems).ref(ADDRESS)
            try:
                accepted = await ref.ask(
                    Order("ann", cid, Add(self.sent[cid])), timeout=self.world.random.choice((0.1, 5))
                )
            except CidConflict:
                raise AssertionError("a cid in conflict with itself") from None
            except Refused as refusal:
                if refusal.effect == "unknown":
                    self.unknown.add(cid)
                await asyncio.sleep(0.05)
            else:
                assert self.world.shown >= accepted.seq, "accepted, and no head says what it owes"
                first = self.accepted.setdefault(cid, accepted)
                assert (first.seq, first.answer) == (accepted.seq, accepted.answer), "another answer the second time"
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


def broken(seed: int, actor: type[Counter], rules: Rules, commands: int = COMMANDS) -> str | None:
    run = Run(seed, actor, rules, commands)
    try:
        run_virtually(run.play())
        run.check()
    except AssertionError as error:
        return str(error)
    return None


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few cids in the state that each history has forgotten ones."""
    monkeypatch.setattr(cids, "WINDOW", NARROW)


@pytest.mark.timeout(1200)
def test_with_every_rule_nothing_breaks() -> None:
    failures = {seed: why for seed in range(RUNS // 2) if (why := broken(seed, Counter, Rules()))}
    assert not failures


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("narrow")
def test_nothing_breaks_when_most_cids_are_forgotten() -> None:
    failures = {seed: why for seed in range(RUNS // 2, RUNS) if (why := broken(seed, Counter, Rules()))}
    assert not failures


@pytest.mark.timeout(1200)
def test_nothing_breaks_in_histories_longer_than_the_window() -> None:
    """The window as it is in earnest, and more than it holds."""
    commands = cids.WINDOW // CLIENTS + 20
    failures = {seed: why for seed in range(max(2, RUNS // 100)) if (why := broken(seed, Counter, Rules(), commands))}
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
        pytest.param(AcceptsWithoutRows, Rules(), id="accepted-without-rows"),
        pytest.param(ForgetsOldCids, Rules(), id="forgotten-cids-are-not-looked-up"),
    ],
)
@pytest.mark.usefixtures("narrow")
def test_each_rule_is_needed(actor: type[Counter], rules: Rules) -> None:
    histories = 60
    failures = [why for seed in range(histories) if (why := broken(seed, actor, rules))]
    print(f"{actor.__name__} {rules}: {len(failures)} of {histories} histories break, first: {failures[:1]}")
    assert len(failures) >= histories // 20


def test_the_world_is_hostile_enough_to_mean_something() -> None:
    """A model in which nothing ever goes wrong would prove nothing."""
    run = Run(7, Counter, Rules())
    run_virtually(run.play())
    writers = {document.w.split("/")[0] for document in run.world.documents()}
    assert len(writers) > OWNERS
    assert len(run.world.documents()) > COMMANDS
