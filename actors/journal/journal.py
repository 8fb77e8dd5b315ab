"""The log of one address as its actor reads and writes it: positions join, unknown outcomes are settled."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from actors.journal.codec import Codec, TooNew
from actors.journal.outside import MAX_EVENTS, Document, Log, OutcomeUnknown, Projections, Timers
from actors.runtime.envelope import Overloaded, TimedOut, Unavailable
from actors.runtime.outside import Placement, Report

PAGE = 500
Page = tuple[Sequence[Document], bool]
"""Documents in a row, and whether there are more."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What all journaled actors of a node share. Times are seconds, `digest` a keyed hash."""

    log: Log
    projections: Projections
    placement: Placement
    timers: Timers
    codec: Codec
    digest: Callable[[bytes], bytes]
    report: Report
    settle_within: float = 8.0
    settle_pause: float = 0.2
    project_pause: float = 1.0
    snapshot_every: int = 200


class Happened(msgspec.Struct, frozen=True):
    """An event at its place in the log."""

    seq: int
    at: datetime
    event: Any


class Taken(Exception):  # noqa: N818 - the ordinary way to learn of another owner
    """Another activation's document holds the position."""


class Unsettled(TimedOut):
    """Nobody can say whether the append happened; who asks again with the same cid will know."""


class Journal:
    """One address's log. Of two that both believe they own it, only one can write position s."""

    def __init__(self, address: str, outside: Outside) -> None:
        self.address = address
        self.outside = outside

    async def append(self, document: Document) -> None:
        """Returns when the document is in the log, for good. Raises Taken.

        An unknown outcome is settled by inserting the identical document again, never by reading back: the row may
        still land. Raises Unsettled when that does not come to an end in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.outside.settle_within
        unknown = False
        while True:
            try:
                if await self._insert(document):
                    return
            except OutcomeUnknown:
                unknown = True
            except (Overloaded, Unavailable):
                if not unknown:
                    raise
            if loop.time() >= deadline:
                raise Unsettled(effect="unknown", retry_after_ms=500)
            await asyncio.sleep(self.outside.settle_pause)

    async def _insert(self, document: Document) -> bool:
        """True: mine is in the log. False: undecided. Raises Taken, OutcomeUnknown."""
        if await self.outside.log.insert(document):
            return True
        try:
            holder = await self.outside.log.at(self.address, document.s)
        except Unavailable as error:
            raise OutcomeUnknown from error
        if holder is not None and holder.w != document.w:
            raise Taken
        return holder is not None

    async def page(self, begins: int, after: int | None = None, limit: int = PAGE) -> Page:
        """Documents with `s > after`, the first at `begins` or before, each joining the one before; are there more?

        Without `after` they begin at `begins`. A gap is read once more, never skipped: then it is reported, and raises Unavailable.
        """
        after = begins - 1 if after is None else after
        for _ in range(2):
            found = await self.outside.log.read(self.address, after, limit)
            joined = _joined(found, begins)
            if joined or not found:
                return joined, len(joined) < len(found) or len(found) == limit
        self.outside.report("log.gap", {"address": self.address, "after": after})
        raise Unavailable(retry_after_ms=5000)

    async def read(self, since: int, limit: int) -> list[Happened]:
        """At most `limit` events after `since`, which may lie within a document. Raises Unavailable, TooNew."""
        found: list[Happened] = []
        after, begins, more = since, since + 1, True
        if await self.outside.log.at(self.address, begins) is None:
            after = max(0, since - MAX_EVENTS)
        while more and len(found) < limit:
            documents, more = await self.page(begins, after, min(PAGE, since + limit - after))
            for document in documents:
                found += [one for one in self.happened(document) if one.seq > since]
                after, begins = document.last, document.last + 1
        return found[:limit]

    def happened(self, document: Document) -> list[Happened]:
        """The events of a document, each at its place. Raises TooNew."""
        try:
            events = self.outside.codec.events(document.body)
        except TooNew as error:
            self.outside.report("log.too_new", {"address": self.address, "event": error.event})
            raise
        return [Happened(seq, document.at, event) for seq, event in enumerate(events, document.s)]


def _joined(found: Sequence[Document], begins: int) -> list[Document]:
    """The documents before the first gap."""
    joined: list[Document] = []
    for document in found:
        if document.s > begins or (joined and document.s != begins):
            break
        joined.append(document)
        begins = document.last + 1
    return joined
