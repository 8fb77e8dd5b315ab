"""The log in MongoDB: one command is one document, written in node-wide group commits, sealed as a whole."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

import bson
from bson.binary import Binary

from actors.domain.addresses import owner
from actors.domain.refusals import TooLarge
from actors.journal.outside import MAX_BODY, Document, Head, OutcomeUnknown, Snapshot
from actors.runtime.outside import Report
from storage.mongo import queries
from storage.mongo.connect import KEPT, Database, kept, reachable
from storage.mongo.gathered import Gathered
from storage.mongo.lanes import DONE, DUPLICATE, UNKNOWN, Lane, Limits, batches, check, entered, probes
from storage.mongo.positions import first_seq, position
from storage.mongo.queries import Query
from storage.sealing import Sealing, Unsealable

LOG: Final = "event_log"
SNAPSHOTS: Final = "snapshots"
HEADS: Final = "heads"
LANES: Final = 2
READERS: Final = 32
MAX_DOCUMENT: Final = MAX_BODY + 16_384
MAX_SNAPSHOT: Final = 15_000_000


class MongoLog:
    """`actors.journal.outside.Log`. Entered on the node's stack: it owns its lanes; leaving sends what waits."""

    def __init__(self, database: Database, sealing: Sealing, *, report: Report, limits: Limits | None = None) -> None:
        self._sealing = sealing
        self._report = report
        self._log = kept(database, LOG)
        self._snapshots = kept(database, SNAPSHOTS)
        self._readers = asyncio.Semaphore(READERS)
        self._kept, self._heads = Gathered(self._snapshots), Gathered(kept(database, HEADS))
        send, probe = batches(database, "insert", LOG, KEPT), probes(database)
        self.lanes = [
            Lane(f"{LOG} {number}", send, probe=probe, report=report, limits=limits) for number in range(LANES)
        ]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for reads in (self._kept, self._heads):
                await stack.enter_async_context(reads)
            await stack.enter_async_context(await entered(self.lanes))
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def check(self) -> None:
        """Raise Unavailable while a lane has got nothing through for a second; it recovers by itself."""
        check(self.lanes)

    async def insert(self, document: Document) -> bool:
        """True: in the log, for good. False: the position is taken, by whom is not said (it may be this document).

        Raises OutcomeUnknown; and, when the write has not left this node, Overloaded, Unavailable or TooLarge.
        """
        encoded = await self._encode(document)
        if len(encoded) > MAX_DOCUMENT:
            raise TooLarge
        lane = self.lanes[crc32(document.address.encode()) % LANES]
        verdict = await lane.put(encoded)
        if verdict == DONE:
            return True
        if verdict == DUPLICATE:
            return False
        if verdict != UNKNOWN:
            self._report("log.rejected", {"address": document.address, "s": document.s, "code": verdict})
        raise OutcomeUnknown

    async def at(self, address: str, s: int) -> Document | None:
        return await self._one(address, queries.document_at(address, s))

    async def read(self, address: str, after: int, limit: int) -> Sequence[Document]:
        query = queries.documents_after(address, after)
        async with self._reading():
            found = await query.find(self._log, limit).to_list()
        return await self._documents(address, found)

    async def find(self, address: str, by: str, cid: str) -> Document | None:
        return await self._one(address, queries.document_of(address, by, cid))

    async def head(self, address: str) -> Head | None:
        found = await self._heads.get(address)
        if found is None:
            return None
        return Head(address, found["seq"], found.get("projected", 0), found.get("owed_at"), found.get("due_at"))

    async def snapshot(self, address: str) -> Snapshot | None:
        found, _ = await asyncio.gather(self._kept.get(address), self._sealing.box(owner(address)))
        if found is None:
            return None
        (body,) = await self._opened(SNAPSHOTS, address, [found])
        return Snapshot(address, found["seq"], found["fold_version"], body)

    async def keep(self, snapshot: Snapshot) -> None:
        """Remember a snapshot; an older one never replaces a newer one. Raises Unavailable, TooLarge."""
        if len(snapshot.body) > MAX_SNAPSHOT:
            raise TooLarge
        box = await self._sealing.box(owner(snapshot.address))
        row = {
            "_id": snapshot.address,
            "seq": snapshot.seq,
            "fold_version": snapshot.fold_version,
            "body": Binary(box.seal(snapshot.body, collection=SNAPSHOTS, document=snapshot.address, field="body")),
        }
        newer = {"$lte": [{"$ifNull": ["$seq", -1]}, snapshot.seq]}
        with reachable():
            await self._snapshots.update_one(
                {"_id": snapshot.address},
                [{"$replaceWith": {"$cond": [newer, {"$literal": row}, "$$ROOT"]}}],
                upsert=True,
            )

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """However many actors wake at once, connections remain for the lanes. One that waits is an actor that waits."""
        async with self._readers:
            with reachable():
                yield

    async def _one(self, address: str, query: Query) -> Document | None:
        async with self._reading():
            found = await self._log.find_one(query.filter)
        return None if found is None else (await self._documents(address, [found]))[0]

    async def _documents(self, address: str, found: Sequence[Mapping[str, Any]]) -> list[Document]:
        bodies = await self._opened(LOG, address, found)
        return [_document(address, stored, body) for stored, body in zip(found, bodies, strict=True)]

    async def _encode(self, document: Document) -> bytes:
        box = await self._sealing.box(owner(document.address))
        identifier = position(document.address, document.s)
        return bson.encode(
            {
                "_id": identifier,
                "a": document.address,
                "n": document.n,
                "by": document.by,
                "cid": document.cid,
                "digest": document.digest,
                "w": document.w,
                "at": document.at,
                "body": box.seal(document.body, collection=LOG, document=identifier, field="body"),
            }
        )

    async def _opened(self, collection: str, address: str, found: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """The bodies of documents. One that can't be opened is never skipped: reported, and raises Unsealable."""
        box, identifier = await self._sealing.box(owner(address)), ""
        try:
            bodies = []
            for stored in found:
                identifier = stored["_id"]
                bodies.append(box.unseal(stored["body"], collection=collection, document=identifier, field="body"))
        except Unsealable:
            self._report("log.unsealable", {"collection": collection, "id": identifier})
            raise
        return bodies


def _document(address: str, stored: Mapping[str, Any], body: bytes) -> Document:
    """`body` was sealed for this very `_id`: it says the truth."""
    return Document(
        address,
        first_seq(stored["_id"]),
        stored["n"],
        stored["by"],
        stored["cid"],
        stored["digest"],
        stored["w"],
        stored["at"],
        body,
    )
