"""What the runtime needs from outside, in memory and obedient; a test tells it what goes wrong and when."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.journal.outside import Document, Head, Row, Snapshot
from actors.runtime.actor import Actor
from actors.runtime.envelope import Unavailable
from actors.runtime.system import Limits, System

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryLog:
    """`troubles` are raised by the next inserts, one each; with `lands` the document is written all the same."""

    documents: dict[tuple[str, int], Document] = field(default_factory=dict)
    kept: dict[str, Snapshot] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    troubles: deque[Exception] = field(default_factory=deque)
    lands: bool = False
    stalled: bool = False
    inserts: int = 0
    finds: int = 0
    reads: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    away: bool = False

    def check(self) -> None:
        if self.stalled:
            raise Unavailable

    async def insert(self, document: Document) -> bool:
        await asyncio.sleep(0.001)
        self.inserts += 1
        if self.troubles:
            if self.lands:
                self.documents.setdefault((document.address, document.s), document)
            raise self.troubles.popleft()
        return self.documents.setdefault((document.address, document.s), document) is document

    async def at(self, address: str, s: int) -> Document | None:
        if self.away:
            raise Unavailable
        return self.documents.get((address, s)) if s not in self.hidden else None

    async def read(self, address: str, after: int, limit: int) -> Sequence[Document]:
        self.reads.append(after)
        return [one for one in self.of(address) if one.s > after and one.s not in self.hidden][:limit]

    async def find(self, address: str, by: str, cid: str) -> Document | None:
        self.finds += 1
        return next((one for one in self.of(address) if (one.by, one.cid) == (by, cid)), None)

    async def head(self, address: str) -> Head | None:
        return self.heads.get(address)

    async def snapshot(self, address: str) -> Snapshot | None:
        return self.kept.get(address)

    async def keep(self, snapshot: Snapshot) -> None:
        self.kept[snapshot.address] = snapshot

    def of(self, address: str) -> list[Document]:
        return [document for (owner, _), document in sorted(self.documents.items()) if owner == address]


@dataclass
class MemoryRows:
    """`trouble` is raised by every write while it is set; a write takes `takes` seconds."""

    log: MemoryLog
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    trouble: Exception | None = None
    takes: float = 0.0
    stalled: bool = False
    writes: int = 0

    def check(self) -> None:
        if self.stalled:
            raise Unavailable

    async def write(self, address: str, rows: Sequence[Row], head: Head) -> None:
        self.writes += 1
        await asyncio.sleep(self.takes)
        if self.trouble is not None:
            raise self.trouble
        for row in rows:
            older = self.rows.get((row.collection, row.id))
            if older is None or older.seq < row.seq:
                self.rows[row.collection, row.id] = row
        before = self.log.heads.get(address)
        if before is None or before.seq < head.seq:
            self.log.heads[address] = head


@dataclass
class MemoryPlacement:
    """`steps` tells what was claimed and released, in order."""

    lease: bool = True
    holder: bool = True
    away: bool = False
    elsewhere: bool = False
    release_takes: float = 0.0
    steps: list[str] = field(default_factory=list)

    def valid(self) -> bool:
        return self.lease

    async def claim(self, address: str) -> None:
        if self.elsewhere:
            raise Unavailable(retry_after_ms=7)
        self.steps.append(f"claim {address}")

    async def holds(self, address: str) -> bool:
        if self.away:
            raise Unavailable
        return self.holder

    async def release(self, address: str) -> None:
        await asyncio.sleep(self.release_takes)
        self.steps.append(f"release {address}")


@dataclass
class Clock:
    """A wall clock that stands still until a test moves it, forward or back."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Reports:
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        self.seen.append((event, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]


class Node:
    """A system whose actors are made by `make`, and all that was made, in order."""

    def __init__(self, make: Any, *, placement: MemoryPlacement | None = None, limits: Limits | None = None) -> None:
        self.made: list[Any] = []
        self.reports = Reports()
        self.placement = placement or MemoryPlacement()
        self._make = make
        self.system = System(self._remember, placement=self.placement, report=self.reports, limits=limits)

    def _remember(self, address: str) -> Actor:
        actor: Actor = self._make(address)
        self.made.append(actor)
        return actor

    async def ask(self, message: Any, *, address: str = "a", timeout: float = 5.0) -> Any:  # noqa: ASYNC109 - the actor's
        return await self.system.ref(address).ask(message, timeout=timeout)
