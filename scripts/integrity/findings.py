"""What can be wrong with an address, each with a stable code; findings name places, never what stands there."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

CODES: Final[Mapping[str, str]] = {
    "address.unknown": "no log is kept under this address",
    "key.unsealable": "the address's key is missing or can't be opened, so nothing of it can",
    "log.position": "the _id of a document is not the position of its address (hash, address, first seq)",
    "log.malformed": "a document lacks a field, or one is of another kind than any node writes",
    "log.gap": "a document does not begin where the one before ended: something is missing",
    "log.overlap": "a document begins before the one before ended",
    "log.count": "a document says another number of events than it holds",
    "log.cid": "one author's cid was accepted twice",
    "log.time": "a document is not later than the one before",
    "log.activations": "two activations wrote by turns, or one wrote out of order",
    "log.unsealable": "a document can't be opened: altered, or moved from where it was written",
    "log.too_new": "a document holds an event of a newer program",
    "log.unreadable": "a document opens, and does not hold events",
    "log.unfoldable": "an event can't follow on the state before it",
    "row.missing": "a row or tombstone the log makes is not there",
    "row.stamp": "a row has another seq than the event that made it",
    "row.newer": "a row is newer than the log",
    "row.differs": "a row, or the tombstone in its place, is not what the log makes",
    "row.unsealable": "what is private in a row can't be opened",
    "row.stray": "a row no log made",
    "row.orphan": "rows of an address that has no log",
    "head.missing": "the address has no head: the clock can't see it",
    "head.behind": "the head, and rows with it, are behind the log: they follow when the address wakes",
    "head.newer": "the head is newer than the log",
    "head.projected": "the head says more was projected than there is",
    "head.owed": "the head says otherwise than the state what is owed since when",
    "head.due": "the head says otherwise than the state when something is due",
    "head.orphan": "the head of an address that has no log",
    "snapshot.newer": "a snapshot is newer than the log",
    "snapshot.unreadable": "a snapshot can't be opened or decoded",
    "snapshot.differs": "a snapshot is not the state the log makes at its seq",
    "snapshot.orphan": "the snapshot of an address that has no log",
    "place.dead": "placement names a node that does not live: nobody serves the address until the next contact",
}


class Finding(msgspec.Struct, frozen=True):
    """`position` is the seq it is about, 0 where there is none; `where` a collection and id beside the address."""

    code: str
    address: str
    position: int = 0
    where: str = ""


@dataclass
class Counts:
    """What was looked at, and the findings by code; `share` of the addresses is done, by their hashes.

    `placements` is None as long as no Redis was asked.
    """

    share: float = 0.0
    addresses: int = 0
    documents: int = 0
    events: int = 0
    rows: int = 0
    snapshots: int = 0
    placements: int | None = None
    again: int = 0
    codes: Counter[str] = field(default_factory=Counter)
