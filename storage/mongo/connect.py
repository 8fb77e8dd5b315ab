"""The one way to MongoDB: a client with sane time limits, refused when its server can't keep promises."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import UTC
from typing import Any, Final

import pymongo
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from actors.runtime.envelope import Unavailable

Document = dict[str, Any]
Reply = Mapping[str, Any]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]

DATABASE: Final = "lifebuddy"
TIMEOUT_MS: Final = 5000
CONNECT_TIMEOUT_MS: Final = 5000
KEPT: Final[Mapping[str, Any]] = {"w": "majority", "j": True}
"""The write concern of whatever must never be lost, as commands carry it."""


class NotAReplicaSet(RuntimeError):  # noqa: N818 - the sentence is the name
    """The server is a lone mongod: nothing it acknowledges is held by a majority, so it can't keep the log."""

    def __init__(self) -> None:
        super().__init__(
            "MongoDB must be a replica set (one member is enough: start mongod with --replSet and run rs.initiate())"
        )


@asynccontextmanager
async def connected(url: str, *, database: str | None = None) -> AsyncIterator[Database]:
    """The database the URL names (else `lifebuddy`), or the one asked for.

    Times are read as UTC. Every operation has 5 s in all; a caller with less time says so with `pymongo.timeout`.
    Compression is as the URL says. Raises NotAReplicaSet, or PyMongoError when no server answers.
    """
    client = AsyncMongoClient[Document](
        url,
        tz_aware=True,
        tzinfo=UTC,
        appname="lifebuddy",
        timeoutMS=TIMEOUT_MS,
        serverSelectionTimeoutMS=TIMEOUT_MS,
        connectTimeoutMS=CONNECT_TIMEOUT_MS,
    )
    async with client:
        hello = await client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise NotAReplicaSet
        yield client[database] if database else client.get_default_database(DATABASE)


def kept(database: Database, collection: str) -> Collection:
    """A collection that forgets nothing acknowledged and shows nothing that may be rolled back, whatever the URL says.

    Reads are of the primary at readConcern majority: a document only one member holds may be gone tomorrow, and
    state folded over it would have decided on what never happened.
    """
    return database.get_collection(
        collection,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern(**KEPT),
    )


@contextmanager
def reachable(within: float | None = None) -> Iterator[None]:
    """Whatever goes wrong between here and the server is `Unavailable`; the cause is chained.

    `within` so many seconds, should the 5 of every operation be too long for who waits.
    """
    try:
        with nullcontext() if within is None else pymongo.timeout(within):
            yield
    except PyMongoError as error:
        raise Unavailable(retry_after_ms=1000) from error
