"""Every query this package asks, and the index that answers it; a test explains each and fails on a scan."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from storage.mongo.connect import Collection, Document
from storage.mongo.positions import LAST, position

LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)


class Query(msgspec.Struct, frozen=True):
    """A filter with its order, and the name of the index that serves both."""

    collection: str
    filter: Mapping[str, Any]
    index: str = "_id_"
    sort: Sequence[tuple[str, int]] = ()

    def find(self, collection: Collection, limit: int) -> AsyncCursor[Document]:
        """At most `limit` documents, in one answer of the server where that can hold them."""
        return collection.find(self.filter, sort=self.sort or None, limit=limit, batch_size=limit)


INDEXES: Final[Mapping[str, Mapping[str, Sequence[tuple[str, int]]]]] = {
    "event_log": {"cid": [("a", ASCENDING), ("by", ASCENDING), ("cid", ASCENDING)]},
    "snapshots": {},
    "heads": {"owed": [("owed_at", ASCENDING)], "due": [("due_at", ASCENDING)]},
    "projection_failures": {},
    "keys": {},
    "credentials": {"user": [("user", ASCENDING)], "role": [("role", ASCENDING)]},
    "factors": {},
    "passkeys": {"user": [("user", ASCENDING), ("created_at", ASCENDING)]},
    "audit_log": {},
    "login_sessions": {
        "user": [("user", ASCENDING), ("created_at", DESCENDING)],
        "revoked": [("revoked_at", ASCENDING)],
    },
    "api_keys": {"newest": [("created_at", DESCENDING)]},
    "proofs": {"digest": [("digest", ASCENDING)], "until": [("until", ASCENDING)]},
    "mails": {"due": [("state", ASCENDING), ("not_before", ASCENDING)], "done": [("done_at", ASCENDING)]},
    "jobs": {"done": [("done_at", ASCENDING)], "waiting": [("since", ASCENDING)]},
    "users": {},
    "last_seen": {},
    "goals": {
        "newest": [("a", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
        "status": [("a", ASCENDING), ("status", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
    },
    "chat_messages": {"thread": [("a", ASCENDING), ("thread", ASCENDING), ("place", DESCENDING)]},
    "journal_entries": {},
    "community_posts": {},
    "notifications": {},
    "analytics": {},
}
"""The collections and, by name, what they are indexed by beside `_id`."""

SPARSE: Final = {
    ("heads", "owed"),
    ("heads", "due"),
    ("login_sessions", "revoked"),
    ("mails", "done"),
    ("jobs", "done"),
    ("jobs", "waiting"),
    ("credentials", "role"),
}
"""Most addresses owe nothing, most login sessions live, most jobs have ended, few people have a role: only the others are in these."""

EXPIRES: Final = {("mails", "done"): 30 * 24 * 3_600, ("jobs", "done"): 30 * 24 * 3_600, ("proofs", "until"): 0}
"""Seconds after the time in an index when MongoDB removes the document."""


def document_at(address: str, s: int) -> Query:
    return Query("event_log", {"_id": position(address, s)})


def documents_after(address: str, after: int) -> Query:
    """Documents with `s > after`, in the order of the log."""
    ids = {"$gte": position(address, min(max(after + 1, 0), LAST)), "$lte": position(address, LAST)}
    return Query("event_log", {"_id": ids}, sort=[("_id", ASCENDING)])


def document_of(address: str, by: str, cid: str) -> Query:
    return Query("event_log", {"a": address, "by": by, "cid": cid}, "cid")


def by_id(collection: str, *identifiers: str) -> Query:
    """One of them, or several in any order."""
    return Query(collection, {"_id": identifiers[0] if len(identifiers) == 1 else {"$in": identifiers}})


def rows_of(collection: str, *identifiers: str) -> Query:
    """Rows of several addresses, in any order, without tombstones."""
    return Query(collection, {"_id": {"$in": identifiers}, "gone": None})


def goals_of(address: str, status: str | None, after: tuple[datetime, str] | None) -> Query:
    """Goals, newest first, after the one made at that time with that id. A tombstone has no time: it is not found."""
    match: dict[str, Any] = {"a": address, "gone": None, "created_at": {"$lte": LATEST}}
    if status is not None:
        match["status"] = status
    if after is not None:
        made, identifier = after
        match["created_at"] = {"$lte": made}
        match["$or"] = [{"created_at": {"$lt": made}}, {"_id": {"$lt": identifier}}]
    order = [("created_at", DESCENDING), ("_id", DESCENDING)]
    return Query("goals", match, "newest" if status is None else "status", order)


def messages_of(address: str, thread: str, before: int | None) -> Query:
    """Messages of a thread with a place in the log before that one, newest first."""
    place = {"$lt": LAST if before is None else min(before, LAST)}
    return Query(
        "chat_messages",
        {"a": address, "gone": None, "thread": thread, "place": place},
        "thread",
        [("place", DESCENDING)],
    )


def heads_owing(before: datetime) -> Query:
    return Query("heads", {"owed_at": {"$lte": before}}, "owed", [("owed_at", ASCENDING)])


def heads_due(by: datetime) -> Query:
    return Query("heads", {"due_at": {"$lte": by}}, "due", [("due_at", ASCENDING)])
