"""One look at one address: its log, then all that is made from it."""

import asyncio
from typing import Any

from actors.domain.addresses import owner
from actors.events import Recorded
from actors.journal.codec import Codec
from scripts.integrity.findings import Counts, Finding
from scripts.integrity.log import LogCheck
from scripts.integrity.rows import RowCheck, check_head, check_snapshot
from storage.mongo import queries
from storage.mongo.connect import Database, kept
from storage.mongo.log import LOG, SNAPSHOTS
from storage.mongo.positions import LAST, first_seq, position
from storage.mongo.projections import HEADS
from storage.sealing import Box, Sealing, Unsealable

PAGE = 100
"""Documents in memory at a time, of each address that is looked at."""


async def look(database: Database, sealing: Sealing, codec: Codec, address: str, counts: Counts) -> set[Finding]:
    """What is wrong with it now, if nobody is writing it. Raises Unavailable and what the driver does."""
    try:
        box: Box | None = await sealing.box(owner(address))
        found = set[Finding]()
    except Unsealable:
        box, found = None, {Finding("key.unsealable", address)}
    return found | await _Look(database, codec, address, counts).run(box)


class _Look:
    def __init__(self, database: Database, codec: Codec, address: str, counts: Counts) -> None:
        self._database, self._codec, self._address, self._counts = database, codec, address, counts

    async def run(self, box: Box | None) -> set[Finding]:
        """The head and the snapshot are read before the log: they can't be newer than it then."""
        head, snapshot = await asyncio.gather(
            kept(self._database, HEADS).find_one({"_id": self._address}),
            kept(self._database, SNAPSHOTS).find_one({"_id": self._address}),
        )
        last = await self._last()
        log = LogCheck(self._address, box, self._codec, (snapshot or {}).get("seq", 0))
        rows = None if box is None else RowCheck(self._database, box, head, self._address, last)
        await self._read(log, rows)
        self._counts.documents += log.documents
        self._counts.events += log.replay.seq
        found = set(log.found)
        if box is None or rows is None or not log.whole:
            return found
        await rows.finish()
        found |= rows.found | check_head(head, log.replay.head(0))
        if snapshot is not None and (code := check_snapshot(snapshot, self._address, box, log)):
            found.add(Finding(code, self._address, snapshot.get("seq", 0)))
        self._counts.rows += rows.seen
        self._counts.snapshots += snapshot is not None
        return found

    async def _read(self, log: LogCheck, rows: RowCheck | None) -> None:
        documents = kept(self._database, LOG)
        match: dict[str, Any] = {"$gte": position(self._address, 0), "$lte": position(self._address, LAST)}
        while page := await documents.find({"_id": match}, sort=[("_id", 1)], limit=PAGE, batch_size=PAGE).to_list():
            happened: list[Recorded] = []
            for stored in page:
                happened += log.take(stored)
            if rows is not None and log.whole:
                await rows.take(log.replay.rows(happened))
            match = {"$gt": page[-1]["_id"], "$lte": match["$lte"]}

    async def _last(self) -> int:
        """The seq of the last event in the log, 0 without any; after damage only about that, or the last there can be."""
        every = queries.documents_after(self._address, -1).filter
        newest = await kept(self._database, LOG).find_one(every, {"n": 1}, sort=[("_id", -1)])
        if newest is None:
            return 0
        try:
            s, n = first_seq(newest["_id"]), int(newest["n"])
        except (LookupError, TypeError, ValueError):  # it will be found not to be a position, or malformed
            return LAST
        return s + n - 1
