"""Wakes addresses that owe something or have something due and are not awake to see to it."""

import asyncio
from datetime import timedelta
from typing import Final

from actors.ports import HeadRows
from actors.questions import Wake
from actors.runtime.envelope import Overloaded, Refused
from actors.runtime.outside import Report, Timers
from actors.runtime.system import System

EVERY: Final = 5.0
TOGETHER: Final = 200
GRACE: Final = timedelta(seconds=2)
"""What has been owed for less than this is being seen to by whoever committed it."""


async def run(system: System, heads: HeadRows, timers: Timers, report: Report, *, every: float = EVERY) -> None:
    """Look every few seconds, for ever. Of many debts the oldest come first, a bounded number at once."""
    while True:
        try:
            await _look(system, heads, timers)
        except Refused as refusal:
            report("clock.late", {"code": refusal.code})
        await asyncio.sleep(every)


async def _look(system: System, heads: HeadRows, timers: Timers) -> None:
    for address in await heads.owing(timers.now() - GRACE, TOGETHER):
        if address in system:
            continue
        try:
            system.ref(address).tell(Wake())
        except Overloaded:
            return
