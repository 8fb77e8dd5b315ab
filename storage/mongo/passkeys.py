"""People's passkeys: public keys of their authenticators, sealed with their names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from actors.ports import Passkey
from storage.mongo.audit import Audit
from storage.mongo.connect import Database, kept, reachable
from storage.mongo.queries import Query
from storage.sealing import Box, Sealing

PASSKEYS: Final = "passkeys"
MAX_LISTED: Final = 100


class _Sealed(msgspec.Struct, array_like=True):
    name: str
    credential: bytes
    key: bytes


def passkeys_of(user_id: str) -> Query:
    return Query(PASSKEYS, {"user": user_id}, "user", [("created_at", ASCENDING)])


class MongoPasskeys:
    """`actors.ports.Passkeys`: `{_id, user, sealed, counter, synced, created_at, used_at?}`.

    The public key is sealed too: whoever only writes to the database can't let themselves in with one of their own.
    """

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._passkeys = kept(database, PASSKEYS)
        self._audit = Audit(database)
        self._sealing = sealing

    async def get(self, passkey_id: str) -> Passkey | None:
        with reachable():
            found = await self._passkeys.find_one({"_id": passkey_id})
        return None if found is None else _passkey(await self._sealing.box(found["user"]), found)

    async def list(self, user_id: str) -> Sequence[Passkey]:
        with reachable():
            found = await passkeys_of(user_id).find(self._passkeys, MAX_LISTED).to_list()
        box = await self._sealing.box(user_id)
        return [_passkey(box, document) for document in found]

    async def add(self, passkey: Passkey) -> bool:
        box = await self._sealing.box(passkey.user_id)
        plain = msgspec.msgpack.encode(_Sealed(passkey.name, passkey.credential, passkey.key))
        document = {
            "user": passkey.user_id,
            "sealed": box.seal(plain, collection=PASSKEYS, document=passkey.id, field="sealed"),
            "counter": passkey.counter,
            "synced": passkey.synced,
            "created_at": passkey.created_at,
        }

        async def insert(session: AsyncClientSession) -> bool:
            match = {"_id": passkey.id}
            result = await self._passkeys.update_one(match, {"$setOnInsert": document}, upsert=True, session=session)
            return result.upserted_id is not None

        whose = passkey.user_id
        return await self._audit.change("passkey.added", whose, whose, passkey.created_at, insert)

    async def use(self, passkey: Passkey, counter: int, at: datetime) -> bool:
        match = {"_id": passkey.id, "counter": passkey.counter}
        with reachable():
            result = await self._passkeys.update_one(match, {"$set": {"counter": counter, "used_at": at}})
        return result.matched_count == 1

    async def remove(self, passkey: Passkey, at: datetime) -> bool:
        async def delete(session: AsyncClientSession) -> bool:
            return (await self._passkeys.delete_one({"_id": passkey.id}, session=session)).deleted_count == 1

        return await self._audit.change("passkey.removed", passkey.user_id, passkey.user_id, at, delete)


def _passkey(box: Box, document: Mapping[str, Any]) -> Passkey:
    plain = box.unseal(document["sealed"], collection=PASSKEYS, document=document["_id"], field="sealed")
    sealed = msgspec.msgpack.decode(plain, type=_Sealed)
    return Passkey(
        id=document["_id"],
        user_id=document["user"],
        name=sealed.name,
        credential=sealed.credential,
        key=sealed.key,
        counter=document["counter"],
        synced=document["synced"],
        created_at=document["created_at"],
        used_at=document.get("used_at"),
    )
