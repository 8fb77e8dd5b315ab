"""Limits before there is an actor: counted by all nodes together, by this one alone while the shared count is away."""

import asyncio
import dataclasses
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec
import structlog

from actors.domain.rate_limit import FULL, Limit, wait
from actors.domain.refusals import RateLimited
from actors.ports import Counters, Standing, Take
from actors.runtime.envelope import Overloaded, Unavailable
from transport.addresses import Address, subscriber

T = TypeVar("T")

log = structlog.get_logger(__name__)

_UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_WRITTEN: Final = re.compile(r"([1-9]\d*)/([1-9]\d*)?(s|min|h|d)")
_KEPT_HERE: Final = 20_000
_AGAIN: Final = 1.0
"""Seconds after which the shared count is tried again: each that fails costs whoever asks its time limit."""


def read_limit(name: str, text: str) -> Limit:
    """`5/15min` and its like. Raises ValueError."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError("is not so many in a time, such as 5/15min")
    seconds = int(found[2] or 1) * _UNITS[found[3]]
    return Limit(int(found[1]) / seconds, int(found[1]), name)


class Limits(msgspec.Struct, frozen=True):
    """Those of the sign-in. By address: `register`, `login`; by account: the others."""

    register: Limit = read_limit("register", "3/h")
    login: Limit = read_limit("login", "10/min")
    attempts: Limit = read_limit("login.account", "5/5min")
    failures: Limit = read_limit("login.failures", "5/15min")
    factor: Limit = read_limit("login.factor", "5/15min")
    mail: Limit = read_limit("mail", "1/min")
    mail_daily: Limit = read_limit("mail.daily", "5/d")

    def scaled(self, by: float) -> "Limits":
        return Limits(*(limit.scaled(by) for limit in msgspec.structs.astuple(self)))


class HereCounters:
    """`actors.ports.Counters` of this node alone. At most so many limits are kept; the one taken from longest ago goes."""

    def __init__(self, kept: int = _KEPT_HERE) -> None:
        self._due: OrderedDict[Take, float] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._kept = kept

    async def take(self, takes: Sequence[Take]) -> Sequence[Standing]:
        return [self._take(take, asyncio.get_running_loop().time()) for take in takes]

    async def give_back(self, take: Take) -> None:
        if take in self._due:
            self._due[take] -= take.limit.interval

    async def remember(self, subject: str) -> None:
        self._known[subject] = None
        if len(self._known) > self._kept:
            self._known.popitem(last=False)

    async def remembers(self, subject: str) -> bool:
        return subject in self._known

    def _take(self, take: Take, now: float) -> Standing:
        due = max(self._due.pop(take, FULL), now)
        waiting = wait(take.limit, due, now)
        if not waiting:
            due += take.limit.interval
        self._due[take] = due
        if len(self._due) > self._kept:
            self._due.popitem(last=False)
        return Standing(take.limit, waiting, due - now)


class Gate:
    """Who may try to get in, and how often. `exempt_loopback`: on a developer's machine nobody is counted by address.

    While the shared count is away each node counts by itself, so a fleet of n lets n times as many through: people
    can sign in all the same, and guessing stays slow.
    """

    def __init__(self, shared: Counters, limits: Limits, *, exempt_loopback: bool = False) -> None:
        self.limits = limits
        self.exempt_loopback = exempt_loopback
        self._shared = shared
        self._here = HereCounters()
        self._away_until = -math.inf
        self._away = False

    async def take_all(self, takes: Sequence[Take]) -> Sequence[Standing]:
        """From all of them, or from none: where one has none left, the others are given back."""
        standings = await self._ask(lambda counters: counters.take(takes))
        if any(standing.wait for standing in standings):
            for take, standing in zip(takes, standings, strict=True):
                if not standing.wait:
                    await self.give_back(take)
        return standings

    async def give_back(self, take: Take) -> None:
        await self._ask(lambda counters: counters.give_back(take))

    async def remember(self, subject: str) -> None:
        await self._ask(lambda counters: counters.remember(subject))

    async def remembers(self, subject: str) -> bool:
        return await self._ask(lambda counters: counters.remembers(subject))

    async def _ask(self, question: Callable[[Counters], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._away_until:
            try:
                answer = await question(self._shared)
            except (Unavailable, Overloaded):
                self._away_until = loop.time() + _AGAIN
                self._tell(away=True)
            else:
                self._tell(away=False)
                return answer
        return await question(self._here)

    def _tell(self, *, away: bool) -> None:
        """Once for each time it goes and comes."""
        if away != self._away:
            self._away = away
            log.warning("limits.counted_here" if away else "limits.counted_together")


def let_through(standings: Sequence[Standing]) -> None:
    """Raises RateLimited, with the longest wait of those that had none left."""
    met = [standing for standing in standings if standing.wait]
    if met:
        longest = max(standing.wait for standing in met)
        policies = tuple(standing.limit.policy for standing in met)
        raise RateLimited(retry_after_ms=math.ceil(longest * 1000), policies=policies)


@dataclasses.dataclass(slots=True)
class Meter:
    """One request's way past the gate: by its address, and what it has been told of limits so far."""

    gate: Gate
    address: Address
    standings: list[Standing] = dataclasses.field(default_factory=list)

    @property
    def network(self) -> str:
        return subscriber(self.address)

    def by_address(self, limit: Limit) -> Sequence[Take]:
        """Nothing, where addresses are not counted."""
        return () if self.gate.exempt_loopback and self.address.is_loopback else (Take(limit, self.network),)

    async def pass_(self, *takes: Take) -> Sequence[Standing]:
        """Take from all of them, or from none. Raises RateLimited, with the longest wait of those that had none left."""
        standings = await self.gate.take_all(takes)
        self.standings += standings
        let_through(standings)
        return standings

    async def may(self, *takes: Take) -> bool:
        """The same without a word to whoever asks."""
        return not any(standing.wait for standing in await self.gate.take_all(takes))
