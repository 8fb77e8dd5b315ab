"""Wakes addresses that owe something or have something due; who is awake and owes it long is told to look again."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from actors.journal.outside import Timers
from actors.ports import HeadRows
from actors.questions import Wake
from actors.runtime.envelope import Overloaded, Refused
from actors.runtime.outside import Report
from actors.runtime.system import System

EVERY: Final = 5.0
SOON: Final = 0.1
"""Of that time, until the next look where there were more than one look takes."""
TOGETHER: Final = 200
MOST: Final = 10_000
LONGEST: Final = 300.0
Elsewhere = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Which of them live on another living node. Raises Unavailable."""
GRACE: Final = timedelta(seconds=2)
"""What has been owed for less than this is being seen to by whoever committed it."""


async def run(
    system: System,
    heads: HeadRows,
    timers: Timers,
    report: Report,
    *,
    elsewhere: Elsewhere | None = None,
    every: float = EVERY,
) -> None:
    """Look every few seconds, for ever. Of many debts the oldest come first, a bounded number at once.

    What lives `elsewhere` is seen to there.
    """
    look = partial(_look, system, heads, timers, elsewhere or _nowhere, {})
    while True:
        more = False
        try:
            more = await look()
        except Refused as refusal:
            report("clock.late", {"code": refusal.code})
        await asyncio.sleep(every * SOON if more else every)


PATIENCE: Final = 10.0
"""Seconds that who is awake has to do what it owes, before it is told to look whether another owner left it that."""

_Tried = dict[str, tuple[float, float]]
"""When who was woken and owes it still is to be woken again, and how much later than that the next time."""


async def _look(system: System, heads: HeadRows, timers: Timers, find: Elsewhere, tried: _Tried) -> bool:
    """Who can't be woken is tried ever more seldom, and does not stand before those who can. Are there more?"""
    now = asyncio.get_running_loop().time()
    owing = await heads.owing(timers.now() - GRACE, min(TOGETHER + len(tried), MOST))
    for address in tried.keys() - set(owing):
        del tried[address]
    elsewhere, woken = await find([address for address in owing if address not in system]), 0
    for address in owing:
        at, pause = tried.setdefault(address, (now + PATIENCE if address in system else now, 0.0))
        if now < at or address in elsewhere:
            continue
        tried[address] = (now + pause, min(max(EVERY, 2 * pause), LONGEST))
        try:
            system.ref(address).tell(Wake())
            woken += 1
        except Overloaded:
            return False
        if woken == TOGETHER:
            return True
    return False


async def _nowhere(_: Sequence[str]) -> Collection[str]:
    """There is one node only."""
    return ()
