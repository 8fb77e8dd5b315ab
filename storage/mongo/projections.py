"""The rows people query, in MongoDB: whole, guarded by their seq, written in node-wide batches per collection."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import bson
import msgspec
from bson.errors import BSONError

from actors.domain.addresses import owner
from actors.journal.outside import Head, Row
from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.outside import Report
from storage.mongo.connect import Database, kept, reachable
from storage.mongo.lanes import DONE, DUPLICATE, UNKNOWN, Lane, Limits, batches, check, entered, probes
from storage.sealing import Box, Sealing, seal_struct

ROWS: Final = (
    "users",
    "goals",
    "chat_messages",
    "journal_entries",
    "community_posts",
    "notifications",
    "analytics",
)
HEADS: Final = "heads"
FAILURES: Final = "projection_failures"
MAX_ROW: Final = 4_000_000
AGAIN: Final = 0.1  # seconds
UNENCODABLE: Final = -2
"""In the place of a server's error code: the row did not become a document."""

PASSING: Final = frozenset(
    {
        UNKNOWN,
        *(6, 7, 89, 9001, 262),  # host unreachable or not found, network
        *(91, 189, 10107, 11600, 11602, 13435, 13436),  # shutting down, stepped down, not primary
        *(24, 50, 112, 202, 290),  # lock, time, conflict and capacity limits
    }
)
"""Codes of single writes that say nothing about the row: it is written again."""


class _Update(msgspec.Struct, gc=False):
    row: Row
    encoded: bytes
    tries: int = 0


def place(struct: dict[str, Any], identifier: str, address: str, seq: int) -> dict[str, Any]:
    """A Struct's document as a row. `seq` is the row's stamp; a field of that name of its own is kept as `place`."""
    if "seq" in struct:
        struct["place"] = struct.pop("seq")
    return {"_id": identifier, "a": address, "seq": seq, **struct}


def whole(box: Box, address: str, row: Row) -> dict[str, Any]:
    """The row as it is stored, its private fields sealed; of one that is gone a tombstone."""
    if row.document is None:
        return place({"gone": True}, row.id, address, row.seq)
    return place(seal_struct(box, row.collection, row.id, row.document), row.id, address, row.seq)


def unplace(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the Struct's document again."""
    if "place" in row:
        row["seq"] = row.pop("place")
    return row


def guarded(
    row: dict[str, Any], match: dict[str, Any], by: Sequence[str] = ("seq",), *, replaces: str = "$lt"
) -> bytes:
    """An update that writes the whole row unless there is one as new already: late or repeated, it does no harm.

    With `$lte` it replaces one as new too, which may have been damaged, and still none that is newer.

    Newer is what has more of the first field of `by`, of equals what has more of the next.

    `match` names the row with its address, so that it can't replace a row of another one: that is a duplicate key.
    """
    older = {replaces: [[{"$ifNull": [f"${field}", -1]} for field in by], [row[field] for field in by]]}
    pipeline = [{"$replaceWith": {"$cond": [older, {"$literal": row}, "$$ROOT"]}}]
    return bson.encode({"q": match, "u": pipeline, "upsert": True})


class MongoProjections:
    """`actors.journal.outside.Projections`. Entered on the node's stack: it owns its lanes; leaving sends what waits.

    `replaces` as in `guarded`.
    """

    def __init__(
        self,
        database: Database,
        sealing: Sealing,
        *,
        report: Report,
        limits: Limits | None = None,
        within: float = 5.0,
        replaces: str = "$lt",
    ) -> None:
        self._replaces = replaces
        self._sealing = sealing
        self._report = report
        self._within = within
        self._failures = kept(database, FAILURES)
        probe = probes(database)
        self.lanes = {
            name: Lane(
                name, batches(database, "update", name, {"w": "majority"}), probe=probe, report=report, limits=limits
            )
            for name in (*ROWS, HEADS)
        }

    async def __aenter__(self) -> Self:
        self._open = await entered(self.lanes.values())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def check(self) -> None:
        """Raise Unavailable while a lane has got nothing through for a second; it recovers by itself."""
        check(self.lanes.values())

    async def write(self, address: str, rows: Sequence[Row], head: Head) -> None:
        """Write whole rows and the head, at once: `head.projected` says how far the rows had come before.

        A row that fails for another reason than the connection is reported and noted in `projection_failures`; the
        others and the head go on. Raises Unavailable when the store stays out of reach, at once where that is known.
        """
        self.check()
        deadline = asyncio.get_running_loop().time() + self._within
        stamp = {
            "_id": address,
            "seq": head.seq,
            "projected": head.projected,
            "owed_at": head.owed_at,
            "due_at": head.due_at,
        }
        document = {name: value for name, value in stamp.items() if value is not None}
        encoded = guarded(document, {"_id": address}, ("seq", "projected"), replaces=self._replaces)
        updates = [_Update(Row(HEADS, address, head.seq, None), encoded)]
        if rows:
            box = await self._sealing.box(owner(address))
            updates += [_Update(row, self._encode(box, address, row)) for row in rows]
        await self._land(address, updates, deadline)

    def _encode(self, box: Box, address: str, row: Row) -> bytes:
        """The update of a row; empty when it can't be made."""
        try:
            encoded = guarded(whole(box, address, row), {"_id": row.id, "a": address}, replaces=self._replaces)
        except (BSONError, TypeError, ValueError, OverflowError):
            return b""
        return encoded if len(encoded) <= MAX_ROW and row.collection in self.lanes else b""

    async def _land(self, address: str, updates: Sequence[_Update], deadline: float) -> None:
        """Returns when each is written or noted as failed. Full lanes and connection trouble: again until then."""
        while updates := await self._attempt(address, updates):
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable(retry_after_ms=1000)
            await asyncio.sleep(AGAIN)

    async def _attempt(self, address: str, updates: Sequence[_Update]) -> list[_Update]:
        """Those to be written again."""
        waiting = [(update, self._put(update)) for update in updates]
        again = []
        for update, verdict in waiting:
            code = verdict if isinstance(verdict, int) else await verdict
            if code == DONE:
                continue
            update.tries += 1
            if code in PASSING or (
                code == DUPLICATE and update.tries == 1
            ):  # two at once made the row: now it is there
                again.append(update)
            else:
                await self._fail(address, update.row, code)
        return again

    def _put(self, update: _Update) -> asyncio.Future[int] | int:
        if not update.encoded:
            return UNENCODABLE
        try:
            return self.lanes[update.row.collection].put(update.encoded)
        except Overloaded:
            return UNKNOWN

    async def _fail(self, address: str, row: Row, code: int) -> None:
        """Note a row that can't be written: once per row, with its newest seq and nothing of what is in it."""
        note = {"a": address, "collection": row.collection, "row": row.id, "seq": row.seq, "code": code}
        self._report("projection.failed", note)
        with reachable():
            await self._failures.update_one(
                {"_id": f"{row.collection}/{row.id}"}, {"$set": {**note, "at": datetime.now(UTC)}}, upsert=True
            )
