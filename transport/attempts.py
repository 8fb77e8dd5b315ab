"""Attempts to prove a password: counted before, slower each time they fail, and alike in time when refused."""

import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from actors.ports import Take
from actors.runtime.envelope import Refused
from transport.limits import Meter

SLOWEST: Final = 2.0
"""Seconds the last failure that is let through is answered later."""


@asynccontextmanager
async def alike(seconds: float) -> AsyncIterator[None]:
    """Everybody is told after a multiple of so many seconds: choose them longer than what is done inside takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with evenly(seconds):
        yield
    spent = loop.time() - began
    await asyncio.sleep(math.ceil(spent / seconds) * seconds - spent)


@asynccontextmanager
async def evenly(seconds: float) -> AsyncIterator[None]:
    """Whoever is refused inside is told after a multiple of so many seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    except Refused:
        spent = loop.time() - began
        await asyncio.sleep(math.ceil(spent / seconds) * seconds - spent)
        raise


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an account, already counted as a failure."""

    meter: Meter
    failure: Take
    here: str
    delay: float

    async def failed(self) -> None:
        await asyncio.sleep(self.delay)

    async def succeeded(self) -> None:
        """It is no failure, and whoever comes from this address is from now on counted apart from strangers."""
        await self.meter.gate.give_back(self.failure)
        await self.meter.gate.remember(self.here)


async def remember_here(account: str, meter: Meter) -> None:
    """Whoever comes from this address is from now on counted apart from strangers."""
    await meter.gate.remember(_here(account, meter))


def _here(account: str, meter: Meter) -> str:
    return f"{account}\n{meter.network}"


async def begin_attempt(account: str, meter: Meter) -> Attempt:
    """Raises RateLimited.

    Strangers share one count for an account; an address it has been signed in from has a count of its own. So nobody
    can lock others out by guessing, however many addresses they have, and all of them together guess no faster. (Device
    cookies do the same for browsers: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".)
    """
    limits, here = meter.gate.limits, _here(account, meter)
    whose = here if await meter.gate.remembers(here) else account
    failure = Take(limits.failures, whose)
    standings = await meter.pass_(*meter.by_address(limits.login), Take(limits.attempts, whose), failure)
    failures = standings[-1]
    used = 1 - failures.remaining / failures.limit.burst
    return Attempt(meter, failure, here, SLOWEST * used**2)
