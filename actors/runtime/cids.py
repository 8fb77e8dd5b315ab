"""The cids an address has accepted: the last 256 exactly, of older ones enough to know when to look them up."""

from array import array
from hashlib import blake2b
from typing import Self

import msgspec

from actors.runtime.ids import milliseconds

WINDOW = 256
_KEY = 16


class Packed(msgspec.Struct, frozen=True):
    """The window as a snapshot keeps it."""

    keys: bytes
    positions: bytes
    forgotten: int
    times: bytes


class Cids:
    """(author, cid) → position of its document, packed: 32 bytes each, for an actor that stays in memory for hours."""

    __slots__ = ("_forgotten", "_keys", "_positions", "_times")

    def __init__(self) -> None:
        self._keys = bytearray()
        self._positions = array("q")
        self._times = array("q")
        self._forgotten = -1

    def add(self, by: str, cid: str, s: int) -> None:
        """Remember an accepted cid; the oldest beyond the window is forgotten."""
        self._keys += _key(by, cid)
        self._positions.append(s)
        self._times.append(milliseconds(cid) or 0)
        if len(self._positions) > WINDOW:
            self._forgotten = max(self._forgotten, self._times.pop(0))
            self._positions.pop(0)
            del self._keys[:_KEY]

    def find(self, by: str, cid: str) -> int | None:
        """The position of the document it was accepted with, when that is in the window."""
        key, start = _key(by, cid), 0
        while (found := self._keys.find(key, start)) >= 0:
            if found % _KEY == 0:
                return self._positions[found // _KEY]
            start = found + 1
        return None

    def may_be_older(self, cid: str) -> bool:
        """Whether a cid that is not in the window may have left it.

        A UUIDv7 made after every forgotten one can't be one of them: exact, whatever clocks do, since only the
        times written in the cids themselves are compared.
        """
        made = milliseconds(cid)
        return self._forgotten >= 0 and (made is None or made <= self._forgotten)

    def pack(self) -> Packed:
        return Packed(bytes(self._keys), self._positions.tobytes(), self._forgotten, self._times.tobytes())

    @classmethod
    def unpack(cls, packed: Packed) -> Self:
        cids = cls()
        cids._keys += packed.keys
        cids._positions.frombytes(packed.positions)
        cids._times.frombytes(packed.times)
        cids._forgotten = packed.forgotten
        return cids


def _key(by: str, cid: str) -> bytes:
    return blake2b(f"{by}/{cid}".encode(), digest_size=_KEY).digest()
