"""Programs' ways in: API keys by the digest of their secret, with names that only we read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import DESCENDING

from actors.ports import ApiKey
from storage.mongo.connect import Database, kept, reachable
from storage.mongo.queries import Query
from storage.sealing import Box, Sealing

API_KEYS: Final = "api_keys"
OWNER: Final = "api-keys"
"""Whose key seals the names."""
MAX_LISTED: Final = 500
ALL: Final = Query(API_KEYS, {}, "newest", [("created_at", DESCENDING)])


class MongoApiKeys:
    """`actors.ports.ApiKeys`: the Struct's fields, the name sealed; no `used_at`, `revoked_at` before there are such."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._keys = kept(database, API_KEYS)
        self._sealing = sealing

    async def add(self, key: ApiKey) -> None:
        box = await self._sealing.box(OWNER)
        document = {
            "_id": key.id,
            "name": box.seal(key.name.encode(), collection=API_KEYS, document=key.id, field="name"),
            "digest": key.digest,
            "scopes": list(key.scopes),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        with reachable():
            await self._keys.insert_one(document)

    async def get(self, key_id: str) -> ApiKey | None:
        with reachable():
            found = await self._keys.find_one({"_id": key_id})
        return None if found is None else _key(await self._sealing.box(OWNER), found)

    async def list(self) -> Sequence[ApiKey]:
        with reachable():
            found = await ALL.find(self._keys, MAX_LISTED).to_list()
        box = await self._sealing.box(OWNER)
        return [_key(box, document) for document in found]

    async def use(self, key_id: str, at: datetime) -> None:
        with reachable():
            await self._keys.update_one({"_id": key_id}, {"$max": {"used_at": at}})

    async def revoke(self, key_id: str, at: datetime) -> bool:
        with reachable():
            result = await self._keys.update_one({"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": at}})
        return result.modified_count == 1


def _key(box: Box, document: Mapping[str, Any]) -> ApiKey:
    name = box.unseal(document["name"], collection=API_KEYS, document=document["_id"], field="name")
    return ApiKey(
        id=document["_id"],
        name=name.decode(),
        digest=document["digest"],
        scopes=tuple(document["scopes"]),
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        used_at=document.get("used_at"),
        revoked_at=document.get("revoked_at"),
    )
