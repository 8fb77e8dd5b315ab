"""What the log of an address makes, page by page: the state, the rows as the state has them, and the head."""

from collections.abc import AsyncIterator, Sequence
from functools import reduce
from typing import Final

from actors.events import Recorded
from actors.journal.outside import Head, Row
from actors.session.due import next_due
from actors.session.rows import rows
from actors.session.state import State, apply, owed
from storage.mongo.connect import Database, kept
from storage.mongo.log import LOG
from storage.mongo.positions import LAST, parse, position

MANY: Final = ("goals", "chat_messages")
"""Collections in which an address has many rows, some of which its log may never have made."""


class Replay:
    """The fold of one log, from its first event on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.state = State()
        self.seq = 0

    def take(self, happened: Sequence[Recorded]) -> None:
        """Fold the next events in. Raises whatever the fold does, and is as it was then."""
        self.state = reduce(apply, happened, self.state)
        self.seq = happened[-1].seq if happened else self.seq

    def rows(self, happened: Sequence[Recorded]) -> list[Row]:
        """The rows these events touched, as the state has them now."""
        return rows(self.state, happened)

    def head(self, projected: int) -> Head:
        since, due = min(owed(self.state).values(), default=None), next_due(self.state)
        return Head(self.address, self.seq, projected, since, due)


async def first_ids(database: Database, after: str = "") -> AsyncIterator[str]:
    """The `_id` of the first document of each address, in the order of the log: a jump over those of the one before.

    One that is no position stands for itself.
    """
    documents = kept(database, LOG)
    while found := await documents.find_one({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)]):
        identifier = str(found["_id"])
        yield identifier
        after = end(identifier)


def end(identifier: str) -> str:
    """The last `_id` the address of a document could have; of what is no position, itself."""
    try:
        address, _ = parse(identifier)
    except ValueError:
        return identifier
    return position(address, LAST)
