"""People's second factors in `factors`: who adds or removes one stands in `audit_log`, never the one without the other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from actors.ports import Factor, RecoveryCode
from storage.mongo.audit import Audit
from storage.mongo.connect import Database, Document, kept, reachable
from storage.sealing import Box, Sealing

FACTORS: Final = "factors"


class MongoFactors:
    """`actors.ports.Factors`: `{_id: the user's id, secret, last_step, codes: [{name, hash}], added_at}`, sealed.

    Names of codes and the last step are not: they are what updates are conditional on.
    """

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._factors = kept(database, FACTORS)
        self._audit = Audit(database)
        self._sealing = sealing

    async def get(self, user_id: str) -> Factor | None:
        with reachable():
            found = await self._factors.find_one({"_id": user_id})
        if found is None:
            return None
        box = await self._sealing.box(user_id)
        codes = [
            RecoveryCode(code["name"], _unseal(box, user_id, f"codes/{code['name']}", code["hash"]))
            for code in found["codes"]
        ]
        return Factor(_unseal(box, user_id, "secret", found["secret"]), found["last_step"], codes)

    async def add(self, user_id: str, factor: Factor, at: datetime) -> bool:
        box = await self._sealing.box(user_id)
        document = {
            "_id": user_id,
            "secret": _seal(box, user_id, "secret", factor.secret),
            "last_step": factor.last_step,
            "codes": _sealed(box, user_id, factor.codes),
            "added_at": at,
        }

        async def insert(session: AsyncClientSession) -> bool:
            match = {"_id": user_id}
            result = await self._factors.update_one(match, {"$setOnInsert": document}, upsert=True, session=session)
            return result.upserted_id is not None

        return await self._audit.change("factor.added", user_id, user_id, at, insert)

    async def advance(self, user_id: str, step: int) -> bool:
        match = {"_id": user_id, "last_step": {"$lt": step}}
        with reachable():
            return (await self._factors.update_one(match, {"$set": {"last_step": step}})).modified_count == 1

    async def spend(self, user_id: str, name: str) -> int | None:
        match, update = {"_id": user_id, "codes.name": name}, {"$pull": {"codes": {"name": name}}}
        with reachable():
            found = await self._factors.find_one_and_update(match, update, return_document=ReturnDocument.AFTER)
        return None if found is None else len(found["codes"])

    async def recode(self, user_id: str, codes: Sequence[RecoveryCode]) -> bool:
        update = {"$set": {"codes": _sealed(await self._sealing.box(user_id), user_id, codes)}}
        with reachable():
            return (await self._factors.update_one({"_id": user_id}, update)).matched_count == 1

    async def remove(self, user_id: str, by: str, at: datetime) -> bool:
        async def delete(session: AsyncClientSession) -> bool:
            return (await self._factors.delete_one({"_id": user_id}, session=session)).deleted_count == 1

        return await self._audit.change("factor.removed", user_id, by, at, delete)


def _sealed(box: Box, user_id: str, codes: Sequence[RecoveryCode]) -> list[Document]:
    return [{"name": code.name, "hash": _seal(box, user_id, f"codes/{code.name}", code.hash)} for code in codes]


def _seal(box: Box, user_id: str, field: str, text: str) -> bytes:
    return box.seal(text.encode(), collection=FACTORS, document=user_id, field=field)


def _unseal(box: Box, user_id: str, field: str, sealed: bytes) -> str:
    return box.unseal(sealed, collection=FACTORS, document=user_id, field=field).decode()
