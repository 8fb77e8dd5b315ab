"""The clock wakes who owes something, the oldest debt first, and is not held up by those who can't be woken."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from actors import clock
from actors.runtime.actor import Actor
from actors.runtime.envelope import Unavailable
from actors.runtime.system import System
from tests.alone import Everywhere, WallClock
from tests.virtual import run_virtually

BROKEN = [f"session:broken-{number}" for number in range(clock.TOGETHER + 50)]
ANN = "session:ann"


class Debts:
    """`ports.HeadRows`: addresses with the oldest debt first, those that are paid gone."""

    def __init__(self, *addresses: str) -> None:
        self.owed = list(addresses)
        self.woken: Counter[str] = Counter()
        self.paid = asyncio.Event()

    async def owing(self, _: datetime, limit: int) -> Sequence[str]:
        return self.owed[:limit]


class Debtor(Actor):
    """Pays when it is woken, unless it is broken: then it can't even start."""

    def __init__(self, address: str, debts: Debts) -> None:
        super().__init__(address)
        self._debts = debts

    async def started(self) -> None:
        self._debts.woken[self.address] += 1
        if self.address in BROKEN:
            raise Unavailable

    async def receive(self, _: Any) -> None:
        if self.address in self._debts.owed:
            self._debts.owed.remove(self.address)
            self._debts.paid.set()


@asynccontextmanager
async def ticking(debts: Debts) -> AsyncIterator[System]:
    def report(event: str, fields: dict[str, Any]) -> None:
        raise AssertionError((event, fields))

    async with System(lambda address: Debtor(address, debts), placement=Everywhere(), report=report) as system:
        looking = asyncio.create_task(clock.run(system, debts, WallClock(), report, every=0.02), name="clock")
        yield system
        looking.cancel()
        await asyncio.wait({looking})


async def test_who_owes_is_woken_once_and_pays() -> None:
    debts = Debts(ANN)
    async with ticking(debts):
        await asyncio.wait_for(debts.paid.wait(), 2)
        await asyncio.sleep(0.1)
    assert debts.woken == {ANN: 1}


def test_those_who_cannot_be_woken_hold_nobody_up_and_are_tried_more_seldom() -> None:
    """Looked at every 20 ms for 100 s: at once, once more, then 5, 15, 35 and 75 s later."""

    async def hundred_seconds() -> Debts:
        debts = Debts(*BROKEN, ANN)
        async with ticking(debts):
            await asyncio.wait_for(debts.paid.wait(), 2)
            await asyncio.sleep(100.0)
        return debts

    debts = run_virtually(hundred_seconds())
    assert debts.woken[ANN] == 1
    assert max(debts.woken.values()) == 6


def test_who_is_awake_and_still_owes_after_a_while_is_told_to_look() -> None:
    """Another owner may have left the debt: who is awake would never meet it by itself."""

    async def minute() -> float:
        debts, loop = Debts(), asyncio.get_running_loop()
        async with ticking(debts) as system:
            await system.ref(ANN).ask("wake", timeout=1)
            debts.owed.append(ANN)
            began = loop.time()
            await asyncio.wait_for(debts.paid.wait(), 60)
            assert debts.woken[ANN] == 1
            return loop.time() - began

    assert clock.PATIENCE <= run_virtually(minute()) < clock.PATIENCE + 1


def test_many_at_once_are_woken_some_at_a_time_and_without_long_pauses() -> None:
    """A thousand reminders at nine: 200 in a look, and the next look comes soon."""

    async def nine() -> tuple[float, list[int]]:
        debts, loop = Debts(*(f"session:{number}" for number in range(5 * clock.TOGETHER))), asyncio.get_running_loop()
        awake, began = list[int](), loop.time()

        def report(event: str, fields: dict[str, Any]) -> None:
            raise AssertionError((event, fields))

        async with System(lambda address: Debtor(address, debts), placement=Everywhere(), report=report) as system:
            looking = asyncio.create_task(clock.run(system, debts, WallClock(), report), name="clock")
            while debts.owed:
                await asyncio.sleep(clock.EVERY * clock.SOON / 2)
                awake.append(debts.woken.total())
            looking.cancel()
            await asyncio.wait({looking})
        assert set(debts.woken.values()) == {1}
        return loop.time() - began, awake

    took, awake = run_virtually(nine())
    assert took < clock.EVERY
    assert max(later - earlier for earlier, later in zip([0, *awake], awake, strict=False)) <= clock.TOGETHER
