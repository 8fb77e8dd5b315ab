"""Wrapped data keys in the collection `keys`: one document per owner, kept out of ordinary backups."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from storage.mongo.connect import Database, kept, reachable
from storage.mongo.gathered import Gathered
from storage.sealing import WrappedKey

KEYS: Final = "keys"


class MongoKeys:
    """Implements `sealing.WrappedKeys` with `{_id: owner, kek, wrapped}`; reads and writes are a majority's."""

    def __init__(self, database: Database, reads: Gathered | None = None) -> None:
        """With `reads` of this collection many owners' keys are read at once."""
        self._keys = kept(database, KEYS)
        self._reads = reads

    async def get(self, owner: str) -> WrappedKey | None:
        if self._reads is not None:
            found = await self._reads.get(owner)
        else:
            with reachable():
                found = await self._keys.find_one({"_id": owner})
        return None if found is None else _read(found)

    async def add(self, key: WrappedKey) -> bool:
        with reachable():  # perhaps written all the same: whoever comes next finds it
            try:
                await self._keys.insert_one({"_id": key.owner, "kek": key.kek, "wrapped": key.wrapped})
            except DuplicateKeyError:
                return False
        return True

    async def replace(self, old: WrappedKey, new: WrappedKey) -> bool:
        match = {"_id": old.owner, "kek": old.kek, "wrapped": old.wrapped}
        with reachable():
            result = await self._keys.update_one(match, {"$set": {"kek": new.kek, "wrapped": new.wrapped}})
        return result.modified_count == 1

    async def wrapped_otherwise(self, kek: int, limit: int) -> Sequence[WrappedKey]:
        with reachable():
            found = await self._keys.find({"kek": {"$ne": kek}}).limit(limit).to_list()
        return [_read(document) for document in found]


def _read(document: Mapping[str, Any]) -> WrappedKey:
    return WrappedKey(document["_id"], document["kek"], document["wrapped"])
