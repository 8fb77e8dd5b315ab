"""The rows, tombstones, head and snapshot of one address beside what its log makes."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import bson
import msgspec
from bson.codec_options import CodecOptions

from actors.journal.cids import Cids
from actors.journal.outside import Head, Row
from actors.session.state import FOLD_VERSION, State
from scripts.embedded.replay import MANY
from scripts.integrity.findings import Finding
from scripts.integrity.log import LogCheck
from storage.mongo.connect import Database, kept
from storage.mongo.log import SNAPSHOTS
from storage.mongo.projections import HEADS, ROWS, whole
from storage.sealing import Box, Unsealable, unsealed

FINAL: Final = "chat_messages"
"""Rows that no later event touches: they are looked at while their page is read, and forgotten but for their ids."""
TOGETHER: Final = 200
_AS_READ: Final = CodecOptions[dict[str, Any]](tz_aware=True, tzinfo=UTC)
_snapshot = msgspec.msgpack.Decoder(tuple[datetime, Cids, State]).decode


class RowCheck:
    """Takes what each page of a log that ends at `last` makes; `finish` looks at what a later page could have changed.

    Kept meanwhile: the ids of all rows, and whole only those that later events may touch.
    """

    def __init__(self, database: Database, box: Box, head: Mapping[str, Any] | None, address: str, last: int) -> None:
        self.found: set[Finding] = set()
        self.seen = 0
        self._database, self._address, self._box = database, address, box
        self._head = head
        self._made: dict[str, set[str]] = {name: set() for name in MANY}
        self._waiting: dict[tuple[str, str], Row] = {}
        self._last = last

    async def take(self, rows: Iterable[Row]) -> None:
        """The rows the events of the next page touched, as the state has them after it."""
        final: list[Row] = []
        for row in rows:
            self._made.setdefault(row.collection, set()).add(row.id)
            if row.collection == FINAL:
                final.append(row)
            else:
                self._waiting[row.collection, row.id] = row
        await self._compare(FINAL, final)

    async def finish(self) -> None:
        for name in ROWS:
            await self._compare(name, [row for (collection, _), row in self._waiting.items() if collection == name])
        for name in MANY:
            own = kept(self._database, name).find({"a": self._address}, {"_id": 1, "seq": 1})
            async for stored in own:
                if stored["_id"] not in self._made[name]:
                    code = "row.newer" if _seq(stored) > self._last else "row.stray"
                    self._note(code, _seq(stored), name, stored["_id"])

    async def _compare(self, name: str, rows: list[Row]) -> None:
        collection = kept(self._database, name)
        for first in range(0, len(rows), TOGETHER):
            some = {row.id: row for row in rows[first : first + TOGETHER]}
            async for stored in collection.find({"_id": {"$in": list(some)}}):
                if stored.get("a") == self._address:
                    self._one(some.pop(stored["_id"]), stored)
            for row in some.values():
                if not self._is_behind(row):
                    self._note("row.missing", row.seq, name, row.id)
            self.seen += len(rows[first : first + TOGETHER])

    def _one(self, row: Row, stored: dict[str, Any]) -> None:
        seq = _seq(stored)
        if seq > self._last:
            code = "row.newer"
        elif seq != row.seq:
            code = "" if seq < row.seq and self._is_behind(row) else "row.stamp"
        else:
            code = self._content(row, stored)
        if code:
            self._note(code, row.seq, row.collection, row.id)

    def _content(self, row: Row, stored: dict[str, Any]) -> str:
        expected = bson.decode(bson.encode(whole(self._box, self._address, row)), _AS_READ)
        if row.document is None or "gone" in stored:
            return "" if stored == expected else "row.differs"
        try:
            found = unsealed(self._box, row.collection, row.id, stored, type(row.document))
        except (Unsealable, ValueError):  # a tuple of another length is not sealed there either
            return "row.unsealable"
        same = found == unsealed(self._box, row.collection, row.id, expected, type(row.document))
        return "" if same else "row.differs"

    def _is_behind(self, row: Row) -> bool:
        """A head that is behind says so of all that came after it."""
        return self._head is not None and row.seq > _seq(self._head)

    def _note(self, code: str, seq: int, collection: str, identifier: object) -> None:
        self.found.add(Finding(code, self._address, seq, f"{collection}/{identifier}"))


def check_head(stored: Mapping[str, Any] | None, head: Head) -> set[Finding]:
    """`head` is what the state says."""
    seq = head.seq if stored is None else _seq(stored)
    if stored is None or seq != head.seq:
        code = "head.missing" if stored is None else "head.behind" if seq < head.seq else "head.newer"
        return {Finding(code, head.address, head.seq)}
    projected = stored.get("projected", 0)
    wrong = {
        "head.projected": not isinstance(projected, int) or projected > head.seq,
        "head.owed": stored.get("owed_at") != head.owed_at,
        "head.due": stored.get("due_at") != head.due_at,
    }
    return {Finding(code, head.address, head.seq, HEADS) for code, is_wrong in wrong.items() if is_wrong}


def check_snapshot(stored: Mapping[str, Any], address: str, box: Box, log: LogCheck) -> str:
    """The code of what is wrong with it; one of another fold is thrown away anyway."""
    if stored.get("fold_version") != FOLD_VERSION:
        return ""
    try:
        body = box.unseal(stored["body"], collection=SNAPSHOTS, document=address, field="body")
        at, cids, state = _snapshot(body)
    except (Unsealable, msgspec.MsgspecError, LookupError, TypeError):
        return "snapshot.unreadable"
    if _seq(stored) > log.replay.seq:
        return "snapshot.newer"
    same = log.kept == (at, bytes(cids.records), cids.forgotten, state)
    return "" if same else "snapshot.differs"


def _seq(stored: Mapping[str, Any]) -> int:
    seq = stored.get("seq")
    return seq if isinstance(seq, int) else -1
