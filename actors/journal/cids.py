"""The cids an address has accepted: the last 256 exactly, of older ones enough to know when to look them up."""

from hashlib import blake2b
from struct import Struct

import msgspec

from actors.runtime.ids import milliseconds

WINDOW = 256
_KEY = 16
_ENTRY = Struct(f">{_KEY}sqq")
_RECORD = _ENTRY.size


class Cids(msgspec.Struct):
    """(author, cid) → position of its document, packed for an actor that stays in memory for hours.

    A record is 32 bytes: key, position, and the milliseconds in a UUIDv7 (of others 0). `forgotten` is the latest
    time in any record that has left the window, -1 while none has. Snapshots keep both as they are.
    """

    records: bytearray = msgspec.field(default_factory=bytearray)
    forgotten: int = -1

    def add(self, by: str, cid: str, s: int) -> None:
        """Remember an accepted cid; the oldest beyond the window is forgotten."""
        records = self.records
        records += _ENTRY.pack(_key(by, cid), s, milliseconds(cid) or 0)
        if len(records) > WINDOW * _RECORD:
            made = int.from_bytes(records[_RECORD - 8 : _RECORD], "big")
            self.forgotten = max(self.forgotten, made)
            del records[:_RECORD]

    def find(self, by: str, cid: str) -> int | None:
        """The position of the document it was accepted with, when that is in the window."""
        key, found = _key(by, cid), -1
        while (found := self.records.find(key, found + 1)) >= 0:
            if found % _RECORD == 0:
                return int.from_bytes(self.records[found + _KEY : found + _KEY + 8], "big")
        return None

    def may_be_older(self, cid: str) -> bool:
        """Whether a cid that is not in the window may have left it.

        A UUIDv7 made after every forgotten one can't be one of them: exact, whatever clocks do, since only the
        times written in the cids themselves are compared.
        """
        if self.forgotten < 0:
            return False
        made = milliseconds(cid)
        return made is None or made <= self.forgotten


def _key(by: str, cid: str) -> bytes:
    return blake2b(f"{by}/{cid}".encode(), digest_size=_KEY).digest()
