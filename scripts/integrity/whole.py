"""All addresses, or those that were named: each is looked at, and again before anything is said against it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Final

from actors.events import TYPES, UPCASTS
from actors.journal.codec import Codec
from scripts.embedded.replay import first_ids
from scripts.integrity.address import look
from scripts.integrity.findings import Counts, Finding
from scripts.integrity.places import dead_places, orphans, without_log
from storage.mongo.connect import Database
from storage.mongo.log import LOG
from storage.mongo.positions import parse
from storage.redis.shards import Shards
from storage.sealing import Sealing

AT_ONCE: Final = 4
"""Addresses that are looked at together."""
SUSPECTS: Final = 64
"""Addresses that wait for another look; with more the pass stops for them."""
PAUSES: Final = (1.5, 4.5)
"""Seconds before each further look: together longer than rows may take to follow a commit."""
HASHES: Final = 1 << 32


class Integrity:
    """One pass. It only reads; what it holds at a time is bounded by `AT_ONCE` addresses and `SUSPECTS` names."""

    def __init__(
        self,
        database: Database,
        sealing: Sealing,
        redis: Shards | None,
        tell: Callable[[Finding], None],
    ) -> None:
        self._database, self._sealing, self._redis, self._tell = database, sealing, redis, tell
        self._codec = Codec(TYPES, UPCASTS)
        self._suspects: dict[str, set[Finding]] = {}
        self._step: Callable[[Counts], None] = lambda _: None
        self.counts = Counts()

    async def run(self, names: Sequence[str] = (), step: Callable[[Counts], None] = lambda _: None) -> None:
        """Without names: all. Raises Unavailable and the drivers' errors when a database goes away."""
        self._step = step
        if names:
            await self._named(names)
        else:
            await self._all()
        if self._redis is not None:
            self.counts.placements = 0
            async for finding in dead_places(self._redis, names, self.counts):
                self._say(finding)
        self.counts.share = 1.0
        step(self.counts)

    async def _named(self, names: Sequence[str]) -> None:
        unknown = set(await without_log(self._database, names))
        for name in sorted(unknown):
            self._say(Finding("address.unknown", name))
        await self._look_at([name for name in names if name not in unknown])
        await self._look_again()

    async def _all(self) -> None:
        waiting: list[str] = []
        async for address in self._addresses():
            waiting.append(address)
            if len(waiting) == AT_ONCE:
                await self._look_at(waiting)
                waiting = []
            if len(self._suspects) >= SUSPECTS:
                await self._look_again()
        await self._look_at(waiting)
        await self._look_again()
        async for finding in orphans(self._database):
            self._say(finding)

    async def _addresses(self) -> AsyncIterator[str]:
        async for identifier in first_ids(self._database):
            try:
                address, _ = parse(identifier)
            except ValueError:
                self._say(Finding("log.position", "", 0, f"{LOG}/{identifier}"))
                continue
            self.counts.share = int(identifier[:8], 16) / HASHES
            yield address

    async def _look_at(self, addresses: Sequence[str]) -> None:
        remaining = iter(addresses)
        while some := list(islice(remaining, AT_ONCE)):
            for address, found in zip(some, await self._looks(some), strict=True):
                self.counts.addresses += 1
                self._step(self.counts)
                if found:
                    self._suspects[address] = found

    async def _look_again(self) -> None:
        """What every look finds, at the very same place, is so: whoever writes meanwhile is past it by then."""
        for pause in PAUSES if self._suspects else ():
            await asyncio.sleep(pause)
            remaining = iter(list(self._suspects))
            while some := list(islice(remaining, AT_ONCE)):
                self.counts.again += len(some)
                for address, found in zip(some, await self._looks(some, Counts()), strict=True):
                    self._suspects[address] &= found
            self._suspects = {address: found for address, found in self._suspects.items() if found}
        for found in self._suspects.values():
            for finding in sorted(found, key=lambda one: (one.address, one.position, one.code, one.where)):
                self._say(finding)
        self._suspects = {}

    async def _looks(self, addresses: Sequence[str], counts: Counts | None = None) -> list[set[Finding]]:
        counts = counts or self.counts
        looks = (look(self._database, self._sealing, self._codec, address, counts) for address in addresses)
        return await asyncio.gather(*looks)

    def _say(self, finding: Finding) -> None:
        self.counts.codes[finding.code] += 1
        self._tell(finding)
