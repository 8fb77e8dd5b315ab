"""Collections and indexes, made when a node starts; two nodes may start at once, and again at any time."""

import uuid
from collections.abc import Sequence
from typing import Final

import pymongo
from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

from storage.mongo.connect import Database, kept
from storage.mongo.lanes import SCHEMA
from storage.mongo.queries import EXPIRES, INDEXES, SPARSE

VERSION: Final = 1
BUILD_SECONDS: Final = 120.0
NAMESPACE_EXISTS: Final = 48


class TooNew(RuntimeError):  # noqa: N818 - the sentence is the name
    """The database was prepared by a newer version of this program."""

    def __init__(self, found: int) -> None:
        super().__init__(f"the database has schema version {found}, this program knows {VERSION}: update the program")


async def prepare(database: Database) -> str:
    """Makes what is missing and answers the log's own id, which only a restore changes. Raises TooNew."""
    with pymongo.timeout(BUILD_SECONDS):
        await refuse_newer(database)
        for name in INDEXES:
            await _make(database, name)
        await _set_version(database)
        return await _log_id(database)


async def refuse_newer(database: Database) -> None:
    """Raises TooNew. Only reads."""
    found = await kept(database, SCHEMA).find_one({"_id": "version"})
    if found is not None and found["version"] > VERSION:
        raise TooNew(found["version"])


async def _make(database: Database, name: str) -> None:
    try:
        await database.create_collection(name, check_exists=False)
    except (CollectionInvalid, OperationFailure) as error:
        if isinstance(error, OperationFailure) and error.code != NAMESPACE_EXISTS:
            raise
    indexes = index_models(name)
    if indexes:
        await kept(database, name).create_indexes(indexes)


def index_models(name: str) -> Sequence[IndexModel]:
    """The indexes of a collection as the driver wants them."""
    return [_index(name, index, fields) for index, fields in INDEXES[name].items()]


def _index(collection: str, name: str, fields: Sequence[tuple[str, int]]) -> IndexModel:
    after = EXPIRES.get((collection, name))
    expiry = {} if after is None else {"expireAfterSeconds": after}
    return IndexModel(list(fields), name=name, sparse=(collection, name) in SPARSE, **expiry)


async def _set_version(database: Database) -> None:
    """Never back: of two versions starting at once the newer one's word stays."""
    await _upsert(database, "version", {"$max": {"version": VERSION}})


async def _log_id(database: Database) -> str:
    await _upsert(database, "log", {"$setOnInsert": {"log": str(uuid.uuid4())}})
    found = await kept(database, SCHEMA).find_one({"_id": "log"})
    assert found is not None  # noqa: S101 - a majority has just kept it
    return str(found["log"])


async def _upsert(database: Database, identifier: str, update: dict[str, dict[str, object]]) -> None:
    try:
        await kept(database, SCHEMA).update_one({"_id": identifier}, update, upsert=True)
    except DuplicateKeyError:  # the other node was first; now it is there
        await kept(database, SCHEMA).update_one({"_id": identifier}, update)
