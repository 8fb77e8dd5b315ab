"""A hostile replica set in memory: lost answers, late writes, roll-backs, stale and torn reads, lying placement."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.journal.outside import Document, Head, OutcomeUnknown, Row, Snapshot
from actors.runtime.envelope import Unavailable


@dataclass
class Rules:
    """What the store is asked for; each switched off is one of the broken rule sets."""

    majority_reads: bool = True
    majority_writes: bool = True


@dataclass
class World:
    """One address. `committed` is what a majority holds, for good; `local` is only on the primary of the moment."""

    seed: int
    rules: Rules = field(default_factory=Rules)
    hostility: float = 0.35

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.committed: dict[int, Document] = {}
        self.local: dict[int, Document] = {}
        self.in_flight: list[Document] = []
        self.snapshots: list[Snapshot] = []
        self.heads: list[Head] = []
        self.calm = False

    def hostile(self, share: float = 1.0) -> bool:
        return not self.calm and self.random.random() < self.hostility * share

    async def lag(self) -> None:
        await asyncio.sleep(self.random.choice((0.001, 0.002, 0.01, 0.3)))
        self.stir()

    def stir(self) -> None:
        """Things that happen by themselves: late writes land, local ones replicate or are rolled back."""
        for document in list(self.in_flight):
            if self.random.random() < 0.15 or self.calm:
                self.in_flight.remove(document)
                self._write(document, self.committed)
        for s, document in list(self.local.items()):
            if self.random.random() < 0.2 or self.calm:
                del self.local[s]
                if self.random.random() < 0.5:
                    self._write(document, self.committed)

    def settle(self) -> None:
        self.calm = True
        self.stir()

    @property
    def shown(self) -> int:
        """How far the newest head goes."""
        return self.heads[-1].seq if self.heads else 0

    def documents(self) -> list[Document]:
        return [self.committed[s] for s in sorted(self.committed)]

    # the Log of the runtime

    def check(self) -> None:
        if self.hostile(0.05):
            raise Unavailable(retry_after_ms=1)

    async def insert(self, document: Document) -> bool:
        await self.lag()
        if document.s in self.committed or document.s in self.local:
            if self.hostile(0.5):
                raise OutcomeUnknown
            return False
        if not self.hostile():
            self._write(document, self.committed)
            return True
        return self._insert_badly(document)

    def _insert_badly(self, document: Document) -> bool:
        match self.random.randrange(4):
            case 0:
                self._write(document, self.committed)
            case 1:
                self.in_flight.append(document)
            case 2:
                self.local[document.s] = document
                if not self.rules.majority_writes:
                    return True
        raise OutcomeUnknown

    async def at(self, address: str, s: int) -> Document | None:
        return next((d for d in await self._view() if d.s == s and d.address == address), None)

    async def read(self, address: str, after: int, limit: int) -> Sequence[Document]:
        found = [d for d in await self._view() if d.s > after and d.address == address][:limit]
        if len(found) > 1 and self.hostile(0.3):
            del found[self.random.randrange(len(found) - 1)]
        return found

    async def find(self, address: str, by: str, cid: str) -> Document | None:
        return next((d for d in await self._view() if (d.address, d.by, d.cid) == (address, by, cid)), None)

    async def _view(self) -> list[Document]:
        """What a read sees: the majority's documents, on a primary that does not know it is deposed the older ones."""
        await self.lag()
        if self.hostile(0.2):
            raise Unavailable(retry_after_ms=1)
        seen = dict(self.committed)
        if not self.rules.majority_reads:
            seen |= self.local
        ordered = [seen[s] for s in sorted(seen)]
        if self.hostile(0.3):
            ordered = ordered[: self.random.randint(max(0, len(ordered) - 3), len(ordered))]
        return ordered

    async def head(self, address: str) -> Head | None:
        await self.lag()
        return self.random.choice(self.heads[-3:]) if self.heads else None

    async def snapshot(self, address: str) -> Snapshot | None:
        await self.lag()
        kept = [snapshot for snapshot in self.snapshots if snapshot.address == address]
        return self.random.choice(kept) if kept else None

    async def keep(self, snapshot: Snapshot) -> None:
        await self.lag()
        if not self.hostile():
            self.snapshots.append(snapshot)

    def _write(self, document: Document, place: dict[int, Document]) -> None:
        """The unique position: whoever is there first stays."""
        if document.s not in self.committed:
            place[document.s] = document
            self.local.pop(document.s, None)


class LyingPlacement:
    """Never says that an address is lost for sure: owners go on believing whatever it says."""

    def __init__(self, world: World) -> None:
        self._world = world

    def valid(self) -> bool:
        return not self._world.hostile(0.3)

    async def claim(self, address: str) -> None:
        await self._world.lag()

    async def holds(self, address: str) -> bool:
        await self._world.lag()
        if self._world.hostile(0.3):
            raise Unavailable(retry_after_ms=1)
        return self._world.random.random() < 0.8

    async def release(self, address: str) -> None:
        await self._world.lag()


class Heads:
    """Of the rows only the heads, the newest last; now and then one can't be written."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self) -> None:
        if self._world.hostile(0.05):
            raise Unavailable(retry_after_ms=1)

    async def write(self, address: str, rows: Sequence[Row], head: Head) -> None:
        await self._world.lag()
        if self._world.hostile(0.2):
            raise Unavailable(retry_after_ms=1)
        heads = self._world.heads
        if not heads or (head.seq, head.projected) > (heads[-1].seq, heads[-1].projected):
            heads.append(head)
