"""What the journal needs from outside, one small Protocol each, and what it hands them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

MAX_EVENTS = 200
MAX_BODY = 1_000_000


class Document(msgspec.Struct, frozen=True, gc=False):
    """One command in the log of an address: in it whole or not at all.

    `s` is the seq of its first event and `n` how many there are; the next document has `s + n`. `w` names the
    activation that wrote it and its counter there. `body` is the packed events and answer, sealed by the store.
    """

    address: str
    s: int
    n: int
    by: str
    cid: str
    digest: bytes
    w: str
    at: datetime
    body: bytes

    @property
    def last(self) -> int:
        """The seq of the last event in it."""
        return self.s + self.n - 1


class Snapshot(msgspec.Struct, frozen=True):
    """The whole state of an address after event `seq`; thrown away when `fold_version` is not the reader's."""

    address: str
    seq: int
    fold_version: int
    body: bytes


class Head(msgspec.Struct, frozen=True):
    """Where an address stands, and when it next owes or has something due.

    A head is written beside the rows of the same seq, not after them: `projected` is what the rows showed for sure
    when that began.
    """

    address: str
    seq: int
    projected: int = 0
    owed_at: datetime | None = None
    due_at: datetime | None = None


class Row(msgspec.Struct, frozen=True):
    """A whole row as the state has it at `seq`; `document` is None for a tombstone.

    Fields annotated `Private` are sealed by the store under the key of the address.
    """

    collection: str
    id: str
    seq: int
    document: msgspec.Struct | None


class OutcomeUnknown(Exception):  # noqa: N818 - not an error of the caller: the write may or may not have happened
    """The store can't say whether the write happened; writing the identical document again settles it."""


class Log(Protocol):
    """The one place that remembers. Reads see only what a majority holds (readConcern majority, primary)."""

    def check(self) -> None:
        """Raise `Unavailable` when appends are stalled, so that a command is refused before it does anything."""

    async def insert(self, document: Document) -> bool:
        """True: in the log, for good. False: the position is taken, by whom is not said.

        Raises OutcomeUnknown when the write may or may not have happened.
        """

    async def at(self, address: str, s: int) -> Document | None:
        """The document whose first event is `s`, as a majority sees it."""

    async def read(self, address: str, after: int, limit: int) -> Sequence[Document]:
        """Documents with `s > after`, in order, at most `limit`. Raises Unavailable when it can't be read."""

    async def find(self, address: str, by: str, cid: str) -> Document | None:
        """The document an author's cid was accepted with, however old."""

    async def head(self, address: str) -> Head | None:
        """The newest head of the address."""

    async def snapshot(self, address: str) -> Snapshot | None:
        """The newest snapshot of the address."""

    async def keep(self, snapshot: Snapshot) -> None:
        """Remember a snapshot; an older one never replaces a newer one."""


class Projections(Protocol):
    """The rows people query, written behind the log and rebuildable from it."""

    def check(self) -> None:
        """Raise `Unavailable` when rows can't be written now, so that a command is refused before it does anything."""

    async def write(self, address: str, rows: Sequence[Row], head: Head) -> None:
        """Write whole rows and the head, each guarded by its seq; returns when all are written. Raises Unavailable when the store is out of reach."""


class Timers(Protocol):
    """Wall-clock time, which tests replace; waiting itself is the loop's."""

    def now(self) -> datetime:
        """The time now, UTC."""
